"""The loop of acting, answering and repairing, with real executions."""

from __future__ import annotations

from typing import Any

import pytest
from tests.agents.coding.conftest import BareRunner, python

from treadle.agents.coding.case import Call, Case
from treadle.agents.coding.executions import Executions
from treadle.agents.coding.judge import Judge, Judgement
from treadle.agents.coding.loop import Candidate, Loop, LoopLimits
from treadle.agents.coding.model_use import ModelUse
from treadle.agents.coding.suite import Suite
from treadle.agents.coding.workbench import FileWorkbench
from treadle.core.chat import Message
from treadle.testing import ScriptedModel

# Every judgement is a process or more, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

SUITE = Suite(cases=(Case(Call("double", (2,)), 4), Case(Call("double", ("a",)), "aa")))


async def looped(
    replies: Any, executions: Executions, **options: Any
) -> tuple[Candidate | None, ScriptedModel]:
    model = ScriptedModel(replies)
    options.setdefault("limits", LoopLimits())
    loop = Loop(
        ModelUse(model),
        Judge(executions, test_seconds=5),
        options.pop("suite", SUITE),
        workbench=FileWorkbench(executions),
        **options,
    )
    return await loop.run([Message("user", "double it")]), model


async def test_what_fails_is_told_and_repaired(executions: Executions) -> None:
    found, model = await looped(
        [python("def double(x): return x + 2"), python("def double(x): return x * 2")], executions
    )
    assert found is not None
    assert found.judgement.passed
    assert found.attempts == 2
    told = model.requests[1].messages[-1].content
    assert "double('a')" in told
    assert "TypeError" in told
    assert "double(2)" not in told  # that one came out right


async def test_actions_are_seen_before_the_answer_and_share_their_files(
    executions: Executions,
) -> None:
    replies = [
        "```bash\necho 21 > number.txt\n```",
        "```run python\nprint(int(open('number.txt').read()) * 2)\n```",
        "```sql\ncreate table t(x);\ninsert into t values (5), (6);\n```",
        "```sql\nselect sum(x) as total from t;\n```",
        "```bash\ncat nothing\n```",
        python("def double(x): return x * 2"),
    ]
    found, model = await looped(replies, executions)
    seen = [request.messages[-1].content for request in model.requests[1:]]
    assert "42" in seen[1]
    assert "total\n11" in seen[3]
    assert "exit code 1" in seen[4]
    assert found is not None
    assert (found.actions, found.attempts) == (5, 1)


async def test_long_outputs_are_cut_in_their_middle(executions: Executions) -> None:
    replies = [
        "```run python\nprint('begin' + 'x' * 100_000 + 'end')\n```",
        python("def double(x): return x * 2"),
    ]
    _, model = await looped(replies, executions)
    shown = model.requests[1].messages[-1].content
    assert len(shown) < 5000
    assert "begin" in shown
    assert "xend" in shown
    assert "characters left out" in shown


async def test_one_that_repeats_itself_is_told_and_then_left(
    runner: BareRunner, executions: Executions
) -> None:
    found, model = await looped(
        lambda request: python("def double(x): return 0"), executions,
        limits=LoopLimits(attempts=10, turns=20),
    )  # fmt: skip
    assert found is not None
    assert found.stuck
    assert not found.judgement.passed
    assert runner.runs == 1  # the same code is not run again
    assert len(model.requests) == 3
    assert "You did exactly that before" in model.requests[-1].messages[-1].content


async def test_the_best_attempt_is_kept_and_not_the_last(executions: Executions) -> None:
    half = "def double(x): return 4 if x == 2 else None"
    found, _ = await looped(
        [python(half), python("def double(x): return None"), python("def double(")], executions,
        limits=LoopLimits(attempts=3),
    )  # fmt: skip
    assert found is not None
    assert found.code.strip() == half
    assert found.judgement.counted("given") == (1, 2)


async def test_replies_without_code_use_up_turns_and_nothing_else(
    runner: BareRunner, executions: Executions
) -> None:
    found, model = await looped(
        lambda request: "I would rather talk.", executions, limits=LoopLimits(turns=5)
    )
    assert found is None
    assert len(model.requests) == 5
    assert runner.runs == 0


async def test_a_diagnosis_is_part_of_what_is_told(executions: Executions) -> None:
    async def diagnose(code: str, judgement: Judgement) -> str:
        return f"block 1 of {len(code)} characters is wrong"

    replies = [python("def double(x): return 0"), python("def double(x): return x * 2")]
    _, model = await looped(replies, executions, diagnose=diagnose)
    assert "block 1 of" in model.requests[1].messages[-1].content


async def test_without_tests_that_decide_those_that_were_made_up_do(
    executions: Executions,
) -> None:
    suite = Suite(cases=(Case(Call("double", (2,)), 4, source="generated"),))
    replies = [python("def double(x): return 0"), python("def double(x): return x * 2")]
    found, model = await looped(replies, executions, suite=suite)
    assert found is not None
    assert found.judgement.passed
    assert "a test that was made up" in model.requests[1].messages[-1].content

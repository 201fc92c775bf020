"""The code agent as a whole, as an agent like others."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

import pytest
from tests.agents.coding.conftest import BareRunner, python

from treadle import Runtime
from treadle.agents.coding import (
    QUICK,
    THOROUGH,
    Answer,
    Call,
    Case,
    CodeAgent,
    CodeResult,
    LoopLimits,
    Question,
    Strategy,
)
from treadle.core.chat import ChatRequest, Message
from treadle.core.errors import ConfigError, InputError, ModelError, ToolError
from treadle.core.events import ModelCalled, ToolCalled
from treadle.planner import Plan
from treadle.serving.offline import OfflineModel
from treadle.testing import ScriptedModel
from treadle.tools.sandbox.contract import SandboxLevel, SandboxResult

# Every judgement is a process or more, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

TESTS = "from solution import add\ndef test_add(): assert add(1, 2) == 3\n"
GOOD = python("def add(a, b): return a + b")
BAD = python("def add(a, b): return a - b")


async def test_the_result_has_the_code_and_the_evidence(runner: BareRunner) -> None:
    agent = CodeAgent(model=ScriptedModel([BAD, GOOD]), sandbox=runner)
    answer = await agent.run("add two numbers", tests=TESTS)
    # For a type checker, too.
    result = assert_type(answer.output, CodeResult)
    assert isinstance(result, CodeResult)
    assert result.verdict == "passed"
    assert answer.text == result.code == result.files["solution.py"]
    evidence = result.evidence
    assert (evidence.given.passed, evidence.given.total) == (1, 1)
    assert (evidence.attempts, evidence.executions, evidence.level) == (2, 2, "unsafe")
    assert evidence.usage == answer.usage
    assert evidence.usage.calls == 2
    assert result.as_json()["verdict"] == "passed"


@pytest.mark.parametrize(("tests", "verdict"), [("", "unverified"), (TESTS, "failed")])
async def test_a_verdict_says_no_more_than_is_known(
    runner: BareRunner, tests: str, verdict: str
) -> None:
    strategy = Strategy(loop=LoopLimits(attempts=1))
    agent = CodeAgent(model=ScriptedModel([BAD]), sandbox=runner, strategy=strategy)
    result = (await agent.run("add two numbers", tests=tests)).output
    assert result.verdict == verdict
    assert bool(result.failures) == (verdict == "failed")


async def test_what_cannot_be_worked_on_is_refused(runner: BareRunner) -> None:
    agent = CodeAgent(sandbox=runner)
    with pytest.raises(ConfigError, match="agent_without_model"):
        await agent.run("add")
    model = ScriptedModel()
    for task, tests, code in (
        (" ", "", "empty_task"),
        ("x" * 300_000, "", "task_too_long"),
        ("add", "def", "bad_tests"),
    ):
        with pytest.raises(InputError) as caught:
            await agent.run(task, model=model, tests=tests)
        assert caught.value.code == code
    assert model.requests == []


async def test_the_offline_stand_in_says_that_it_cannot(runner: BareRunner) -> None:
    with pytest.raises(ModelError) as caught:
        await CodeAgent(model=OfflineModel(), sandbox=runner).run("add two numbers")
    assert caught.value.code == "offline_out_of_range"


async def test_a_sandbox_that_refuses_ends_it(runner: BareRunner) -> None:
    class Refusing(BareRunner):
        async def run(self, code: Any = None, **options: Any) -> SandboxResult:
            return SandboxResult("refused", None, "", "", SandboxLevel.UNSAFE, 0, reason="no")

    agent = CodeAgent(model=ScriptedModel(lambda request: GOOD), sandbox=Refusing())
    with pytest.raises(ToolError) as caught:
        await agent.run("add two numbers", tests=TESTS)
    assert caught.value.code == "sandbox_unavailable"


@pytest.mark.parametrize("options", [{"candidates": 0}, {"candidates": 99}, {"parallel": 0}])
def test_strategies_that_make_no_sense(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="bad_strategy"):
        Strategy(**options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="bad_strategy"):
        Strategy.named("heroic")
    assert Strategy.named("quick") is QUICK
    assert Strategy.named("thorough", candidates=5).candidates == 5


async def test_it_is_a_step_of_a_plan_with_events_and_a_budget(runner: BareRunner) -> None:
    agent = CodeAgent("coder", model=ScriptedModel([BAD, GOOD]), sandbox=runner)
    plan = Plan.from_wire(
        {
            "steps": [
                {"id": "code", "tool": "coder", "args": {"task": "add", "tests": TESTS}},
            ],
            "answer": "${code.verdict}: ${code.evidence.attempts} attempts",
        }
    )
    async with Runtime(model=ScriptedModel(), tools=[agent], builtins=False) as runtime:
        result = await runtime.run(plan)
    assert result.answer == "passed: 2 attempts"
    calls = [each for each in result.events if isinstance(each, ToolCalled)]
    assert [each.tool for each in calls] == ["sandbox", "sandbox"]
    assert {each.step_id for each in calls} == {"code"}
    assert sum(isinstance(each, ModelCalled) for each in result.events) == 2
    assert result.usage.calls == 2


async def test_the_budget_of_a_run_covers_it(runner: BareRunner) -> None:
    from treadle.core.budget import Budget

    model = ScriptedModel(lambda request: python(f"def add(a, b): return {len(request.messages)}"))
    strategy = Strategy(candidates=3, loop=LoopLimits(attempts=50, turns=60))
    agent = CodeAgent("coder", model=model, sandbox=runner, strategy=strategy)
    plan = Plan.from_wire(
        {"steps": [{"id": "code", "tool": "coder", "args": {"task": "add", "tests": "assert 0"}}]}
    )
    options: dict[str, Any] = {"tools": [agent], "builtins": False, "budget": Budget(steps=6)}
    async with Runtime(model=ScriptedModel(), **options) as runtime:
        result = await runtime.run(plan)
    assert runner.runs == 5  # and the step itself
    (step,) = result.steps
    assert isinstance(step.output, dict)
    evidence: Any = step.output["evidence"]
    assert evidence["stopped"]["code"] == "budget_exceeded"


async def test_cancelling_ends_all_candidates(runner: BareRunner) -> None:
    model = ScriptedModel(lambda request: python("def add(a, b):\n    while True: pass"))
    agent = CodeAgent(model=model, sandbox=runner, strategy=Strategy(candidates=3))
    task = asyncio.ensure_future(agent.run("add", tests=TESTS))
    while runner.running < 3:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(30):
            await task
    assert runner.running == 0


async def test_candidates_run_at_once_under_a_limit(runner: BareRunner) -> None:
    model = ScriptedModel(lambda request: GOOD)
    strategy = Strategy(candidates=6, parallel=6)
    agent = CodeAgent(model=model, sandbox=runner, strategy=strategy, at_once=2)
    result = (await agent.run("add", tests=TESTS)).output
    assert result.evidence.candidates == 6
    assert runner.most_at_once == 2


async def test_one_candidate_whose_model_fails_does_not_end_the_others(
    runner: BareRunner,
) -> None:
    replies = [ModelError("model_overloaded", "busy"), GOOD, ModelError("model_overloaded", "busy")]
    agent = CodeAgent(model=ScriptedModel(replies), sandbox=runner, strategy=Strategy(candidates=3))
    result = (await agent.run("add", tests=TESTS)).output
    assert (result.verdict, result.evidence.candidates) == ("passed", 1)
    assert result.evidence.stopped is not None
    assert result.evidence.stopped.code == "model_overloaded"


def thorough(request: ChatRequest) -> Any:
    """A model that goes through everything: plan, tests, three programs that differ."""
    said = request.messages[-1].content
    opening = "".join(each.content for each in request.messages[:2])
    match request.response_schema and request.response_schema.name:
        case "simulation":
            return {"steps": ["1 + 2"], "result": 3}
        case "tests":
            return {
                "cases": [
                    {"function": "add", "args": [1, 1], "expected": 2},
                    {"function": "add", "args": [-5, 1], "expected": 4},
                ]
            }
        case "block_verdicts":
            return {"blocks": [{"block": 1, "correct": False, "explanation": "it subtracts"}]}
        case "calls":
            return {"calls": [{"function": "add", "args": [70, 1]}]}
    if "Write a plan" in said:
        return "1. add them"
    if "A person has looked at it" in said:
        return python("def add(a, b): return abs(a + b)")
    if "it subtracts" in said:
        return GOOD
    if "than the obvious one" in opening:
        return python("def add(a, b): return a + b if a < 50 else 50 + b")
    return BAD


async def test_without_a_person_disagreement_is_a_doubt_and_nothing_is_decided(
    runner: BareRunner,
) -> None:
    agent = CodeAgent(model=ScriptedModel(thorough), sandbox=runner, strategy=THOROUGH)
    result = (await agent.run("add", examples=[Case(Call("add", (1, 2)), 3)])).output
    assert result.verdict == "doubtful"
    assert {str(each.call) for each in result.doubts} == {"add(70, 1)", "add(-5, 1)"}
    evidence = result.evidence
    assert (evidence.given.passed, evidence.given.total) == (1, 1)
    assert (evidence.generated.passed, evidence.generated.total) == (1, 2)
    assert evidence.plan_agreed is not None
    assert (evidence.plan_agreed.passed, evidence.plan_agreed.total) == (1, 1)
    assert evidence.candidates == 3


async def test_what_a_person_says_becomes_a_test(runner: BareRunner) -> None:
    asked: list[str] = []

    async def clarify(question: Question) -> Answer | None:
        asked.append(str(question.call))
        return Answer(4) if question.call.args == (-5, 1) else question.options[0].answer

    agent = CodeAgent(
        model=ScriptedModel(thorough), sandbox=runner, strategy=THOROUGH, clarify=clarify
    )
    result = (await agent.run("add", examples=[Case(Call("add", (1, 2)), 3)])).output
    assert asked == ["add(70, 1)", "add(-5, 1)"]
    assert result.verdict == "passed"
    assert result.doubts == ()
    assert "abs" in result.code  # written for what the person wants
    assert (result.evidence.person.passed, result.evidence.person.total) == (2, 2)


async def test_what_was_said_before_goes_into_the_task(runner: BareRunner) -> None:
    model = ScriptedModel([GOOD])
    history = (Message("user", "call it add"), Message("assistant", "I will"))
    await CodeAgent(model=model, sandbox=runner).run("go on", history=history)
    assert "call it add" in model.requests[0].messages[1].content

"""The joiner: answers, replans, gives up; malformed decisions are mended."""

import json
from typing import Any

import pytest

from treadle import Plan, tool
from treadle.core.errors import ErrorInfo, ModelError
from treadle.planner.joiner import Answer, GiveUp, Joiner, Observation, Replan
from treadle.planner.prompt import Prompts
from treadle.testing import ScriptedModel
from treadle.tools import ToolRegistry


@tool
def look(topic: str) -> str:
    """Look a topic up."""
    return topic


TOOLS = ToolRegistry([look])
PLAN = Plan.from_wire(
    {
        "steps": [
            {"id": "a", "tool": "look", "args": {"topic": "x"}},
            {"id": "b", "tool": "look", "args": {"topic": "${a}"}},
        ]
    }
)
SEEN = [
    Observation("a", "look", {"topic": "x"}, "failed", error=ErrorInfo("tool_failed", "no")),
    Observation("b", "look", {"topic": "${a}"}, "not_run"),
]


async def decide(
    replies: list[Any], remaining: int = 1, **options: Any
) -> tuple[Any, ScriptedModel]:
    model = ScriptedModel(replies)
    joiner = Joiner(model, Prompts())
    decision = await joiner.decide(
        "the task", PLAN, SEEN, TOOLS, started={"a"}, remaining=remaining, **options
    )
    return decision, model


PATCH = {
    "add": [{"id": "c", "tool": "look", "args": {"topic": "y"}}],
    "replace": [{"id": "b", "tool": "look", "args": {"topic": "${c}"}}],
}


async def test_an_answer_is_handed_on_while_it_is_written() -> None:
    pieces: list[str] = []
    text = 'It is "quoted", ünïcödé and\nlong. ' * 20
    decision, _ = await decide([{"action": "answer", "answer": text}], on_answer=pieces.append)
    assert decision == Answer(text)
    assert "".join(pieces) == text
    assert len(pieces) > 5


async def test_a_replan_gives_the_next_version() -> None:
    decision, model = await decide([{"action": "replan", "reason": "try y", "patch": PATCH}])
    assert isinstance(decision, Replan)
    assert decision.plan.version == 2
    assert decision.plan["c"].on_failure == "replan"
    shown = model.requests[0].messages[-1].content
    assert "the task" in shown
    assert '"error":"tool_failed: no"' in shown
    assert "not_run" in shown


async def test_giving_up() -> None:
    decision, _ = await decide([{"action": "fail", "reason": "no way"}])
    assert decision == GiveUp("no way")


@pytest.mark.parametrize(
    "broken",
    [
        "prose", "", "[]", {"action": "dance"}, {"action": "answer"}, {"action": "replan"},
        {"action": "replan", "patch": {"drop": ["a"]}},
        {"action": "replan", "patch": {"add": [{"id": "c", "tool": "fly", "args": {}}]}},
        {"action": "answer", "answer": "x", "extra": 1},
    ],
)  # fmt: skip
async def test_malformed_decisions_are_mended(broken: Any) -> None:
    decision, model = await decide([broken, {"action": "answer", "answer": "fine"}])
    assert decision == Answer("fine")
    assert len(model.requests) == 2
    assert "cannot be used" in model.requests[1].messages[-1].content
    with pytest.raises(ModelError, match="model_malformed_reply"):
        await decide([broken] * 3)


async def test_no_replan_when_none_is_left() -> None:
    replan = {"action": "replan", "patch": PATCH}
    decision, _ = await decide([replan, {"action": "fail", "reason": "well"}], remaining=0)
    assert decision == GiveUp("well")


async def test_fences_and_prose_around_a_decision() -> None:
    text = "So:\n```json\n" + json.dumps({"action": "answer", "answer": "x {y}"}) + "\n```"
    assert (await decide([text]))[0] == Answer("x {y}")


def test_a_long_output_is_cut_and_says_so() -> None:
    shown = json.loads(Observation("a", "look", {}, "succeeded", "x" * 10_000).described())
    assert shown["output_characters"] == 10_000
    assert len(shown["output_begins"]) < 5_000

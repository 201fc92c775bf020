"""The joiner: answers, replans, gives up; malformed decisions are mended."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle import Plan, tool
from treadle.core.budget import Budget, BudgetMeter
from treadle.core.chat import Message
from treadle.core.clock import SystemClock
from treadle.core.errors import ErrorInfo, ModelError
from treadle.core.event_log import EventLog
from treadle.core.events import RepairRequested
from treadle.core.program import Program, current_program
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


@given(
    st.text('ab "\\/{}[]\n\té😀\u2028$', max_size=200),
    st.integers(1, 40),
    st.booleans(),
    st.sampled_from(["", "```json\n", "Well:\n"]),
    st.booleans(),
)
async def test_what_is_handed_on_adds_up_to_the_answer(
    text: str, chunk: int, ascii_only: bool, before: str, first: bool
) -> None:
    pieces: list[str] = []
    document = {"action": "answer", "answer": text}
    if not first:
        document = dict(reversed(document.items()))
    reply = before + json.dumps(document, ensure_ascii=ascii_only)
    model = ScriptedModel([reply, {"action": "fail", "reason": "empty"}], chunk=chunk)
    decision = await Joiner(model, Prompts()).decide(
        "t", PLAN, SEEN, TOOLS, started={"a"}, remaining=1, on_answer=pieces.append
    )
    assert decision == (Answer(text) if text else GiveUp("empty"))
    assert "".join(pieces) == text
    assert all(pieces)


async def test_a_repaired_answer_is_not_handed_on_twice() -> None:
    pieces: list[str] = []
    broken = '{"action": "answer", "answer": "It is forty-'
    whole = {"action": "answer", "answer": "It is forty-two, and that is all."}
    decision, _ = await decide([broken, whole], on_answer=pieces.append)
    assert isinstance(decision, Answer)
    assert "".join(pieces) == decision.text


async def test_another_answer_is_not_appended_to_the_first() -> None:
    pieces: list[str] = []
    broken = {"action": "answer", "answer": "It is one thing.", "extra": 1}
    decision, _ = await decide(
        [broken, {"action": "answer", "answer": "No, another."}], on_answer=pieces.append
    )
    assert decision == Answer("No, another.")
    assert "".join(pieces) == "It is one thing."


async def test_a_long_answer_full_of_brackets_ends_soon() -> None:
    """Reading anew at each bracket would take the square of the length."""
    text = "}" * 1_000_000
    pieces: list[str] = []
    decision, _ = await decide([{"action": "answer", "answer": text}], on_answer=pieces.append)
    assert decision == Answer(text)
    assert "".join(pieces) == text
    assert len(pieces) < 1_000


@pytest.mark.parametrize(
    "patch",
    [
        {}, None, [], "x", {"drop": ["b"], "add": [{"id": "b"}]}, {"replace": [{"id": "a"}]},
        {"add": [{"id": "c", "tool": "look", "args": {"topic": "${nothing}"}}]},
        {"add": [{"id": "c", "tool": "look", "args": {}}]},
        {"add": [{"id": "c", "tool": "look", "args": {"topic": float("1e400")}}]},
        {"add": [{"id": "b", "tool": "look", "args": {"topic": "x"}}]},
        {"answer": "${nothing}"},
    ],
)  # fmt: skip
async def test_patches_that_cannot_be_applied_are_mended(patch: Any) -> None:
    reply = json.dumps({"action": "replan", "patch": patch})
    decision, model = await decide([reply, {"action": "replan", "patch": PATCH}])
    assert isinstance(decision, Replan)
    assert len(model.requests) == 2


async def test_repairs_are_reported() -> None:
    log = EventLog("run", SystemClock())
    token = current_program.set(Program("run", BudgetMeter(Budget(), SystemClock()), log))
    try:
        await decide(["prose", "{}", {"action": "fail", "reason": "no"}])
    finally:
        current_program.reset(token)
    asked = [event for event in log.events if isinstance(event, RepairRequested)]
    assert [event.attempt for event in asked] == [1, 2]
    assert {error.code for event in asked for error in event.errors} == {"bad_decision"}


async def test_a_models_own_error_passes_through() -> None:
    with pytest.raises(ModelError, match="model_bad_key"):
        await decide([ModelError("model_bad_key", "no")])


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, '{"action":' + "9" * 10_000])
async def test_hostile_decisions_end_soon(text: str) -> None:
    decision, _ = await decide([text, {"action": "fail", "reason": "well"}])
    assert decision == GiveUp("well")


def test_long_arguments_and_errors_are_cut_too() -> None:
    long = Observation(
        "a", "look", {"topic": "x" * 500_000}, "failed", error=ErrorInfo("c", "y" * 500_000)
    ).described()
    assert len(long) < 20_000
    assert json.loads(long)["args_characters"] > 500_000


async def test_many_observations_are_cut_and_counted() -> None:
    model = ScriptedModel([{"action": "fail", "reason": "no"}])
    seen = [Observation(f"s{n}", "look", {}, "succeeded", "z" * 3_900) for n in range(500)]
    await Joiner(model, Prompts()).decide("t", PLAN, seen, TOOLS, started=(), remaining=1)
    shown = model.requests[0].messages[-1].content
    assert len(shown) < 220_000
    assert "more steps)" in shown
    assert '"step":"s0"' in shown


async def test_history_stands_before_the_observations() -> None:
    earlier = (Message("user", "before"),)
    _, model = await decide([{"action": "fail", "reason": "no"}], history=earlier)
    assert [message.role for message in model.requests[0].messages] == ["system", "user", "user"]
    assert model.requests[0].messages[1] == earlier[0]

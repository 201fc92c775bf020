"""Labels in the executor: whatever the plan looks like, nothing slips past a person."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.executor.conftest import Driver, execute, plan_of, step

from treadle import tool
from treadle.core.events import ApprovalRequested, StepFinished, StepStarted
from treadle.core.taint import MOST_LABELS, listed
from treadle.executor import ApprovalRequest
from treadle.executor.history import History
from treadle.executor.node import State


@tool(open_world=True)
async def source() -> str:
    """Give what somebody wrote."""
    return "EVIL"


@tool(effect="pure")
async def mine() -> str:
    """Give what is mine."""
    return "mine"


@tool(effect="pure")
async def join(text: str) -> str:
    """Make a text of a text."""
    return f"<{text}>"


@tool(effect="pure", sanitizes=True)
async def count(text: str) -> int:
    """Count characters."""
    return len(text)


@tool(open_world=True)
async def lookup(text: str) -> str:
    """Ask the world; a read."""
    return f"found {text}"


@tool(effect="irreversible", approval="allow")
async def act(text: str) -> str:
    """Do something."""
    return text


TOOLS = [source, mine, join, count, lookup, act]


@st.composite
def plans(draw: st.DrawFn) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 9))):
        name = draw(st.sampled_from([each.name for each in TOOLS]))
        if name in ("source", "mine"):
            steps.append(step(f"s{number}", name))
            continue
        known = [each["id"] for each in steps]
        chosen = draw(st.lists(st.sampled_from(known), max_size=3, unique=True)) if known else []
        text = "text " + " ".join("${" + each + "}" for each in chosen)
        fields: dict[str, Any] = {"text": text}
        if chosen and draw(st.booleans()):
            fields = {"text": "x${item}", "for_each": ["${" + each + "}" for each in chosen]}
        steps.append(step(f"s{number}", name, **fields))
    return steps


def expected(steps: list[dict[str, Any]]) -> tuple[set[str], set[str]]:
    """By a fold of its own: the steps with labelled outputs, and with labelled arguments."""
    gives: set[str] = set()
    takes: set[str] = set()
    for each in steps:
        text = str(each["args"]) + str(each.get("for_each", ""))
        if any("${" + name + "}" in text for name in gives):
            takes.add(each["id"])
        open_world = each["tool"] in ("source", "lookup")
        if open_world or (each["id"] in takes and each["tool"] != "count"):
            gives.add(each["id"])
    return gives, takes


@settings(max_examples=60, deadline=None)
@given(plans())
async def test_no_sink_gets_what_came_from_outside_unasked(steps: list[dict[str, Any]]) -> None:
    asked: dict[str, tuple[str, ...]] = {}

    async def person(request: ApprovalRequest) -> bool:
        asked.update((call.step_id, call.taint) for call in request.calls)
        for call in request.calls:
            assert call.resolved
            assert call.taint
        return True

    outcome = await execute(plan_of(*steps), TOOLS, approve=person)
    gives, takes = expected(steps)
    sinks = {each["id"] for each in steps if each["tool"] in ("act", "lookup")}
    assert set(asked) == takes & sinks
    assert outcome.state is State.SUCCEEDED
    labelled = {each.step_id for each in outcome.events(StepFinished) if each.taint}
    assert labelled == gives
    # What the events tell is what a resumed run goes on with.
    history = History(outcome.log.events)
    assert {id_ for id_, past in history.steps.items() if past.taint} == gives


@settings(max_examples=40, deadline=None)
@given(plans())
async def test_with_nobody_to_ask_no_sink_gets_it_at_all(steps: list[dict[str, Any]]) -> None:
    outcome = await execute(plan_of(*steps), TOOLS)
    for started in outcome.events(StepStarted):
        called = next(each["tool"] for each in steps if each["id"] == started.step_id)
        if called in ("act", "lookup") and started.arguments is not None:
            text = str(started.arguments.value)
            assert "EVIL" not in text
            assert "found" not in text


async def test_a_streamed_list_reaches_a_sink_as_a_whole() -> None:
    @tool(open_world=True)
    async def stream():  # type: ignore[no-untyped-def]
        """Give one by one."""
        yield "EVIL 1"
        yield "EVIL 2"

    calls: list[Any] = []

    async def person(request: ApprovalRequest) -> bool:
        calls.extend(request.calls)
        return True

    document = plan_of(step("s", "stream"), step("l", "lookup", text="${item}", for_each="${s}"))
    outcome = await execute(document, [stream, lookup], approve=person)
    assert outcome.state is State.SUCCEEDED
    [call] = calls
    assert call.items == ({"text": "EVIL 1"}, {"text": "EVIL 2"})


async def test_a_skipped_source_labels_nothing() -> None:
    document = plan_of(
        step("m", "count", text="x"),
        step("s", "source", when="${m} > 5"),
        step("a", "act", text="fine"),
        answer="${s}",
    )
    outcome = await execute(document, TOOLS)
    assert outcome.state is State.SUCCEEDED
    assert outcome.events(ApprovalRequested) == []


async def test_arguments_that_a_person_wrote_are_that_person_s() -> None:
    from treadle.executor.approval import Decision, Reply

    async def person(request: ApprovalRequest) -> Reply:
        return {call.step_id: Decision(True, None, {"text": "better"}) for call in request.calls}

    document = plan_of(step("s", "source"), step("a", "act", text="${s}"))
    outcome = await execute(document, TOOLS, approve=person)
    assert outcome.steps["a"].output == "better"


def test_many_labels_are_summed_up() -> None:
    labels = frozenset(f"tool{n:03} (step s)" for n in range(100))
    shown = listed(labels)
    assert len(shown) == MOST_LABELS + 1
    assert listed(frozenset(shown) | labels) == shown
    assert listed(shown) == shown


async def test_a_driver_without_sources_pays_for_nothing() -> None:
    driver = Driver(TOOLS)
    driver.start(plan_of(step("m", "mine"), step("j", "join", text="${m}")))
    outcome = await driver.end()
    assert all(each.taint == () for each in outcome.events(StepFinished))

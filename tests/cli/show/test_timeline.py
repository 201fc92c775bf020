"""The timeline is a fold over events, whatever of them there is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.hand_made import Events
from tests.cli.show.recorded import MIXED, TOOLS, events_of, run_plan, step

from treadle import Runtime, approve_all
from treadle.cli.show import timeline_of
from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    ApprovalAnswered,
    ApprovalRequested,
    ChildRunFinished,
    Event,
    ModelCalled,
    RunFinished,
    RunResumed,
    RunStarted,
    StepDropped,
    StepFinished,
    StepProgress,
    StepRetrying,
    StepStarted,
    UndoFinished,
    UndoStarted,
)
from treadle.core.payload import Payload
from treadle.testing import ScriptedModel


def test_no_events_give_an_empty_timeline() -> None:
    timeline = timeline_of([])
    assert (timeline.steps, timeline.seconds, timeline.critical) == ((), 0.0, ())


async def test_a_real_run_is_told_as_it_was() -> None:
    timeline = timeline_of(await events_of(*MIXED))
    steps = {each.id: each for each in timeline.steps}
    assert timeline.status == "failed"
    assert timeline.counts == {"succeeded": 5, "failed": 1, "skipped": 1}
    assert [steps[name].depth for name in "abcdefg"] == [0, 1, 1, 2, 2, 3, 0]
    assert (steps["e"].attempts, steps["e"].retries) == (2, 1)
    assert [each.kind for each in steps["e"].stretches] == ["run", "retry", "run"]
    assert (steps["g"].done, steps["g"].total, steps["g"].failed) == (3, 3, 0)
    assert (steps["f"].started, steps["f"].seconds) == (None, None)


async def test_every_prefix_of_a_run_gives_a_timeline() -> None:
    events = await events_of(*MIXED)
    for count in range(len(events)):
        timeline = timeline_of(events[:count])
        assert timeline.status is None
        assert all(each.finished is None for each in timeline.steps if each.look == "running")


def test_the_critical_path_follows_what_really_came_last() -> None:
    make = Events()
    events = [
        make(RunStarted),
        make.planned("fast"),
        make.planned("slow"),
        make.planned("end", "fast", "slow"),
        make(StepStarted, step_id="slow"),
        make(StepStarted, step_id="fast"),
        make(StepFinished, step_id="fast", status="succeeded"),
        make(StepFinished, step_id="slow", status="succeeded"),
        make(StepStarted, step_id="end"),
        make(StepFinished, step_id="end", status="succeeded"),
        make(RunFinished, status="succeeded"),
    ]
    timeline = timeline_of(events)
    assert timeline.critical == ("slow", "end")
    assert timeline.seconds == 10.0


def test_of_what_still_runs_the_first_to_begin_is_critical() -> None:
    make = Events()
    events = [
        make.planned("a"),
        make.planned("b"),
        make(StepStarted, step_id="b"),
        make(StepStarted, step_id="a"),
    ]
    timeline = timeline_of(events)
    assert timeline.critical == ("b",)
    assert {each.id: each.seconds for each in timeline.steps} == {"a": 0.0, "b": 1.0}


def test_the_time_in_which_nobody_held_the_run_does_not_count() -> None:
    make = Events()
    events = [
        make(RunStarted),
        make.planned("a"),
        make(StepStarted, step_id="a"),  # 3; the process dies here
        make(RunResumed),  # 4
        make(StepStarted, step_id="a", attempt=2),
        make(StepFinished, step_id="a", status="succeeded"),
        make(RunFinished, status="succeeded"),
    ]
    timeline = timeline_of(events)
    assert [(gap.start, gap.end) for gap in timeline.gaps] == [(3.0, 4.0)]
    assert timeline.seconds == 5.0
    (only,) = timeline.steps
    assert (only.attempts, only.look) == (2, "succeeded")
    assert [(each.start, each.end) for each in only.stretches] == [(3.0, 3.0), (5.0, 6.0)]


def test_a_resumed_run_opens_what_waited_or_was_reopened() -> None:
    make = Events()
    error = ErrorInfo("tool_failed", "no")
    events = [
        make(RunStarted),
        make.planned("failed"),
        make.planned("waits"),
        make(StepStarted, step_id="failed"),
        make(StepFinished, step_id="failed", status="failed", error=error),
        make(StepFinished, step_id="waits", status="waiting"),
        make(RunFinished, status="waiting", error=error),
        make(RunResumed, reopened=("failed",)),
    ]
    timeline = timeline_of(events)
    assert (timeline.status, timeline.error) == (None, None)
    assert [each.look for each in timeline.steps] == ["planned", "planned"]
    assert [each.error for each in timeline.steps] == [None, None]


def test_waiting_for_a_person_is_a_stretch_and_pending_until_answered() -> None:
    make = Events()
    events = [
        make(RunStarted),
        make.planned("a"),
        make(ApprovalRequested, plan_hash="h", step_ids=("a",)),
    ]
    assert timeline_of(events).pending == ("a",)
    events.append(make(ApprovalAnswered, plan_hash="h", step_ids=("a",), approved=True))
    timeline = timeline_of(events)
    assert timeline.pending == ()
    (wait,) = timeline.steps[0].stretches
    assert (wait.kind, wait.end - wait.start) == ("approval", 1.0)


def test_doubt_usage_children_and_undo_are_told() -> None:
    make = Events()
    usage = Usage(10, 5, 0, 1)
    doubt = ErrorInfo("in_doubt", "nobody knows")
    called = {"model": "m", "purpose": "plan", "usage": usage, "first_delta_seconds": None}
    events = [
        make(RunStarted),
        make.planned("a"),
        make.planned("b"),
        make(ModelCalled, step_id=None, seconds=0.5, **called),
        make(ModelCalled, step_id="a", seconds=0.5, **called),
        make(ChildRunFinished, child_id="run_2", status="succeeded", usage=usage, step_id="a"),
        make(StepFinished, step_id="b", status="waiting", error=doubt),
        make(RunFinished, status="waiting"),
        make(UndoStarted, step_id="a"),
        make(UndoFinished, step_id="a"),
    ]
    timeline = timeline_of(events)
    assert timeline.usage == Usage(30, 15, 0, 3)
    assert timeline.steps[0].usage == usage
    assert timeline.doubtful == ("b",)
    assert timeline.children[0].run_id == "run_2"
    assert [each.undone for each in timeline.steps] == [True, False]
    assert (timeline.ended, timeline.models[0].start) == (8.0, 3.5)


def test_what_names_no_planned_step_or_is_unknown_is_passed_over() -> None:
    class Strange(Event):
        pass

    make = Events()
    error = ErrorInfo("c", "m")
    events = [
        Strange(run_id="run", at=1.0),
        make(StepStarted, step_id="ghost"),
        make(StepProgress, step_id="ghost", done=1, total=1, index=0),
        make(StepRetrying, step_id="ghost", attempt=1, delay=1.0, error=error),
        make(StepFinished, step_id="ghost", status="failed", error=error),
        make(StepDropped, step_id="ghost"),
        make(UndoFinished, step_id="ghost"),
    ]
    assert timeline_of(events).steps == ()


def test_a_clock_that_goes_back_does_not_turn_time_around() -> None:
    make = Events()
    events = [make(RunStarted), make.planned("a"), make(StepStarted, step_id="a")]
    events.append(
        StepFinished(
            run_id="run", seq=9, at=0.5, step_id="a", status="succeeded", output=Payload(1)
        )
    )
    timeline = timeline_of(events)
    assert timeline.steps[0].seconds == 0.0
    assert timeline.seconds == 2.0


@st.composite
def dags(draw: st.DrawFn) -> list[list[int]]:
    count = draw(st.integers(1, 12))
    return [
        draw(st.lists(st.integers(0, index - 1), unique=True, max_size=3)) if index else []
        for index in range(count)
    ]


@settings(max_examples=40, deadline=None)
@given(dags(), st.data())
async def test_the_critical_path_is_a_chain_that_ends_with_the_run(
    needs: list[list[int]], data: st.DataObject
) -> None:
    steps = [
        step(
            f"s{index}",
            "turn",
            args={"times": data.draw(st.integers(0, 5))},
            after=[f"s{each}" for each in mine],
        )
        for index, mine in enumerate(needs)
    ]
    timeline = timeline_of(await events_of(*steps))
    lines = {each.id: each for each in timeline.steps}
    path = [lines[step_id] for step_id in timeline.critical]
    assert path[0].needs == ()
    assert path[-1].finished == max(each.finished or 0.0 for each in timeline.steps)
    for before, after in pairwise(path):
        assert before.id in after.needs
        assert before.finished is not None
        assert before.finished == max(lines[need].finished or 0.0 for need in after.needs)
        assert after.started is not None
        assert before.finished <= after.started
    assert sum(each.seconds or 0.0 for each in path) <= timeline.seconds + 1e-6
    places = [each.id for each in timeline.steps]
    assert all(
        places.index(need) < places.index(each.id) for each in timeline.steps for need in each.needs
    )


async def test_a_run_that_another_runtime_resumed_is_one_timeline(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/runs.db"
    steps = (step("a"), step("w", "write", args={"to": "x"}, after=["a"]))
    options: dict[str, Any] = {"database": database, "artifacts": tmp_path / "artifacts"}
    first = await run_plan(*steps, **options)
    waiting = timeline_of(first.events)
    assert (first.status, waiting.status, waiting.pending) == ("waiting", "waiting", ("w",))
    async with Runtime(builtins=False, model=ScriptedModel([]), tools=TOOLS, **options) as runtime:
        second = await runtime.resume(first.run_id, approve=approve_all)
    timeline = timeline_of(second.events)
    assert (timeline.status, timeline.pending) == ("succeeded", ())
    assert len(timeline.gaps) == 1
    assert timeline.critical == ("a", "w")
    steps_of = {each.id: each for each in timeline.steps}
    assert [steps_of[name].attempts for name in "aw"] == [1, 1]
    assert "approval" in {each.kind for each in steps_of["w"].stretches}

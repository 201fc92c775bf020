"""The fold over events that every screen shows."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tests.cli.hand_made import Events, folded

from treadle.cli.run_view import RECENT, RunView
from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    ApprovalAnswered,
    ApprovalRequested,
    ModelCalled,
    Payload,
    PlanningStarted,
    PlanReady,
    RepairRequested,
    RunFinished,
    RunStarted,
    RunWaiting,
    StepDropped,
    StepFinished,
    StepProgress,
    StepRetrying,
    StepStarted,
)

ERROR = ErrorInfo("broken", "it broke")


def test_a_step_from_its_plan_to_its_end() -> None:
    event = Events()
    view = folded(
        [
            event(RunStarted),
            event.planned("a"),
            event.planned("b", "a"),
            event.planned("c", "b", "a"),
            event(StepStarted, step_id="a"),
            event(StepRetrying, step_id="a", attempt=1, delay=0.5, error=ERROR),
            event(StepStarted, step_id="a", attempt=2),
            event(StepProgress, step_id="a", done=2, total=5, index=1),
            event(StepFinished, step_id="a", status="succeeded", output=Payload(1)),
            event(StepFinished, step_id="b", status="skipped", error=ERROR),
        ]
    )
    first = view.steps["a"]
    assert (first.look, first.retries, first.done, first.total) == ("succeeded", 1, 2, 5)
    assert (first.started, first.finished, first.elapsed(99.0)) == (5.0, 9.0, 4.0)
    assert [step.depth for step in view.steps.values()] == [0, 1, 2]
    assert view.steps["b"].elapsed(99.0) is None
    assert +view.counts == Counter({"succeeded": 1, "skipped": 1, "planned": 1})
    assert not view.running


def test_what_the_planner_does() -> None:
    event = Events()
    view = folded(
        [
            event(RunStarted),
            event(PlanningStarted, model="m"),
            event(RepairRequested, attempt=1, errors=(ERROR,)),
            event(
                ModelCalled,
                model="m",
                purpose="plan",
                step_id=None,
                usage=Usage(prompt_tokens=10, completion_tokens=5),
                first_delta_seconds=None,
                seconds=1.0,
            ),
        ]
    )
    assert (view.planning, view.model, view.repairs) == (True, "m", 1)
    assert view.usage.total_tokens == 15
    view.take(event(PlanReady, plan_hash="h", version=1, plan=Payload({"steps": []})))
    assert not view.planning
    view.take(event(PlanningStarted, model="m", replan=1))
    assert (view.planning, view.replans) == (True, 1)


def test_a_question_and_the_end() -> None:
    event = Events()
    view = folded([event.planned("a"), event(ApprovalRequested, plan_hash="h", step_ids=("a",))])
    assert view.asking == ("a",)
    view.take(event(ApprovalAnswered, plan_hash="h", step_ids=("a",), approved=True))
    assert view.asking == ()
    view.take(event(RunWaiting, step_ids=("a",)))
    assert view.status == "waiting"
    view.take(event(RunFinished, status="failed", error=ERROR))
    assert (view.status, view.error) == ("failed", ERROR)


def test_a_patch_replaces_and_drops_steps() -> None:
    event = Events()
    view = folded(
        [
            event.planned("a"),
            event.planned("b", "a"),
            event(StepDropped, step_id="b"),
            event.planned("a"),
        ]
    )
    assert list(view.steps) == ["a"]
    assert +view.counts == Counter({"planned": 1})


LIVES = st.sampled_from(["plan", "drop", "start", "succeeded", "failed", "cancelled", "skipped"])


@given(st.lists(st.tuples(st.integers(0, 9), LIVES), max_size=200))
def test_counts_are_those_of_the_steps_at_any_moment(moves: list[tuple[int, str]]) -> None:
    event, view = Events(), RunView()
    for number, move in moves:
        step_id = f"s{number}"
        look = view.steps[step_id].look if step_id in view.steps else None
        if move == "plan" and look in (None, "planned"):
            view.take(event.planned(step_id, *([f"s{number - 1}"] if number else [])))
        elif move == "drop" and look == "planned":
            view.take(event(StepDropped, step_id=step_id))
        elif move == "start" and look == "planned":
            view.take(event(StepStarted, step_id=step_id))
        elif look in ("planned", "running") and move not in ("plan", "drop", "start"):
            view.take(event(StepFinished, step_id=step_id, status=move))
        looks = Counter(step.look for step in view.steps.values())
        assert +view.counts == looks
        assert len(view.running) == looks["running"]
        assert len(view.failed) == looks["failed"]
    assert len(view.recent) <= RECENT

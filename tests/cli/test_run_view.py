"""The state of a run as it is shown, folded from its events."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from treadle.cli.run_view import RECENT, RunView
from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    ApprovalAnswered,
    ApprovalRequested,
    Event,
    ModelCalled,
    PlanningStarted,
    PlanReady,
    RepairRequested,
    RunFinished,
    RunStarted,
    RunWaiting,
    StepDropped,
    StepFinished,
    StepPlanned,
    StepProgress,
    StepRetrying,
    StepStarted,
    StepStatus,
)
from treadle.core.payload import Payload

BROKEN = ErrorInfo("broken", "it broke")


def planned(step_id: str, *needs: str) -> StepPlanned:
    return StepPlanned(step_id=step_id, tool="t", needs=needs, step=Payload({}))


def view_of(*events: Event) -> RunView:
    view = RunView()
    for event in events:
        view.take(event)
    return view


def counted(view: RunView) -> Counter[str]:
    return Counter(step.look for step in view.steps.values())


def test_a_step_from_plan_to_end() -> None:
    view = view_of(RunStarted(at=1.0), planned("a"))
    assert view.steps["a"].look == "planned"
    assert view.steps["a"].elapsed(5.0) is None
    view.take(StepStarted(step_id="a", at=2.0))
    assert view.steps["a"].look == "running"
    assert view.steps["a"].elapsed(5.0) == 3.0
    view.take(StepProgress(step_id="a", done=3, total=7, index=0))
    view.take(StepRetrying(step_id="a", attempt=1, delay=0.1, error=BROKEN, index=2))
    view.take(StepStarted(step_id="a", attempt=2, at=4.0))
    assert view.steps["a"].elapsed(5.0) == 3.0, "a retry does not start the clock again"
    view.take(StepFinished(step_id="a", status="failed", error=BROKEN, at=6.0))
    step = view.steps["a"]
    assert (step.look, step.done, step.total, step.retries) == ("failed", 3, 7, 1)
    assert step.elapsed(100.0) == 4.0
    assert step.error == BROKEN
    assert not view.running
    assert list(view.failed) == ["a"]


def test_depth_is_the_longest_path_before_a_step() -> None:
    view = view_of(planned("a"), planned("b", "a"), planned("c"), planned("d", "c", "b"))
    assert {step.id: step.depth for step in view.steps.values()} == {"a": 0, "b": 1, "c": 0, "d": 2}


def test_what_the_planner_does() -> None:
    view = view_of(PlanningStarted(model="m"))
    assert view.planning
    usage = Usage(prompt_tokens=10, completion_tokens=5, calls=1)
    for event in (
        RepairRequested(attempt=1, errors=(BROKEN,)),
        ModelCalled(
            model="m", purpose="plan", step_id=None, usage=usage,
            first_delta_seconds=0.1, seconds=1.0,
        ),
        PlanReady(plan_hash="h", version=1, plan=Payload({})),
    ):  # fmt: skip
        view.take(event)
    assert not view.planning
    assert (view.repairs, view.replans, view.usage.total_tokens) == (1, 0, 15)
    view.take(PlanningStarted(model="m", replan=1))
    assert (view.planning, view.replans) == (True, 1)


def test_a_question_stands_until_it_is_answered() -> None:
    view = view_of(planned("a"), ApprovalRequested(plan_hash="h", step_ids=("a",)))
    assert view.asking == ("a",)
    view.take(ApprovalAnswered(plan_hash="h", step_ids=("a",), approved=True))
    assert view.asking == ()
    view.take(RunWaiting(step_ids=("a",)))
    assert view.status == "waiting"


def test_a_patch_drops_and_changes_steps() -> None:
    view = view_of(planned("a"), planned("b"), StepDropped(step_id="a"), planned("b", "x"))
    assert list(view.steps) == ["b"]
    assert view.steps["b"].needs == ("x",)
    assert view.counts["planned"] == 1


def test_the_end() -> None:
    view = view_of(PlanningStarted(model="m"), RunFinished(status="failed", error=BROKEN))
    assert (view.status, view.error, view.planning) == ("failed", BROKEN, False)


statuses: st.SearchStrategy[StepStatus] = st.sampled_from(
    ["succeeded", "failed", "skipped", "cancelled", "waiting"]
)


@given(st.lists(st.tuples(st.booleans(), st.one_of(st.none(), statuses)), max_size=30))
def test_counts_say_what_the_steps_are(fates: list[tuple[bool, StepStatus | None]]) -> None:
    view = view_of(*(planned(f"s{number}") for number in range(len(fates))))
    for number, (begins, status) in enumerate(fates):
        if begins:
            view.take(StepStarted(step_id=f"s{number}", at=1.0))
        if status is not None:
            view.take(StepFinished(step_id=f"s{number}", status=status, at=2.0))
    assert +view.counts == counted(view)
    assert set(view.running) == {step.id for step in view.steps.values() if step.look == "running"}
    assert set(view.failed) == {step.id for step in view.steps.values() if step.look == "failed"}


def test_what_is_kept_of_the_past_is_bounded() -> None:
    view = RunView()
    for number in range(RECENT + 50):
        view.take(planned(f"s{number}"))
        view.take(StepStarted(step_id=f"s{number}", at=1.0))
        view.take(StepFinished(step_id=f"s{number}", status="succeeded", at=2.0))
    assert len(view.recent) == RECENT
    assert view.recent[-1].id == f"s{RECENT + 49}"

"""The fold that makes a timeline of events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from treadle.cli.run_view import Look
from treadle.cli.show.critical import Lived, critical_chain
from treadle.cli.show.layers import in_layers
from treadle.cli.show.timeline import Child, StepLine, Stretch, StretchKind, Timeline
from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    ApprovalAnswered,
    ApprovalRequested,
    ChildRunFinished,
    DoubtSettled,
    Event,
    ModelCalled,
    PlanReady,
    RunFinished,
    RunResumed,
    RunStarted,
    RunStatus,
    RunWaiting,
    StepDropped,
    StepFinished,
    StepPlanned,
    StepProgress,
    StepRetrying,
    StepStarted,
    UndoFinished,
    UndoStarted,
)
from treadle.core.payload import Payload
from treadle.executor.doubt_names import names_in_doubt


@dataclass(slots=True)
class _Step:
    id: str
    tool: str
    needs: tuple[str, ...]
    wire: Payload
    planned: float
    look: Look = "planned"
    started: float | None = None
    finished: float | None = None
    rank: int = -1
    attempts: int = 0
    retries: int = 0
    items: dict[int, bool] = field(default_factory=dict)
    total: int = 0
    usage: Usage = field(default_factory=Usage)
    error: ErrorInfo | None = None
    output: Payload | None = None
    undone: bool = False
    stretches: list[Stretch] = field(default_factory=list)
    open_kind: StretchKind = "run"
    open_since: float | None = None
    open_items: set[int] = field(default_factory=set)

    def enter(self, kind: StretchKind, at: float) -> None:
        """A new stretch begins, and with it the one before has ended."""
        self.leave(at)
        self.open_kind, self.open_since = kind, at

    def leave(self, at: float) -> None:
        """The open stretch, if there is one, ends."""
        if self.open_since is not None:
            self.stretches.append(Stretch(self.open_kind, self.open_since, at))
            self.open_since = None

    def reopen(self) -> None:
        self.look, self.finished, self.error, self.output = "planned", None, None, None


class Fold:
    """Takes event after event; constant work for each."""

    def __init__(self) -> None:
        self._steps: dict[str, _Step] = {}
        self._run_id = ""
        self._task: Payload | None = None
        self._began: float | None = None
        self._now = 0.0
        self._count = 0
        self._ended: float | None = None
        self._status: RunStatus | None = None
        self._answer: Payload | None = None
        self._error: ErrorInfo | None = None
        self._usage = Usage()
        self._asking: dict[str, None] = {}
        self._models: list[Stretch] = []
        self._gaps: list[Stretch] = []
        self._children: list[Child] = []

    def take(self, event: Event) -> None:
        """Fold in the next event."""
        if self._began is None:
            self._run_id, self._began, self._now = event.run_id, event.at, event.at
        before = self._now
        # The machine's clock may have been set back meanwhile; time on a timeline does not.
        self._now = max(before, event.at)
        self._count += 1
        match event:
            case UndoStarted():
                pass
            case UndoFinished():
                step = self._steps.get(event.step_id)
                if step is not None and event.error is None:
                    step.undone = True
            case RunResumed():
                self._resumed(event, before if self._ended is None else self._ended)
            case RunFinished():
                self._status, self._ended = event.status, self._now
                self._answer, self._error = event.answer, event.error
            case _:
                self._take_step(event)

    def _take_step(self, event: Event) -> None:
        match event:
            case StepPlanned():
                self._steps[event.step_id] = _Step(
                    event.step_id, event.tool, event.needs, event.step, self._now
                )
            case StepDropped():
                self._steps.pop(event.step_id, None)
            case DoubtSettled():
                step = self._steps.get(event.step_id)
                if step is not None and event.index is not None:
                    step.open_items.discard(event.index)
            case StepStarted() | StepProgress() | StepRetrying() | StepFinished():
                step = self._steps.get(event.step_id)
                if step is not None:
                    self._change(step, event)
            case _:
                self._take_run(event)

    def _change(
        self, step: _Step, event: StepStarted | StepProgress | StepRetrying | StepFinished
    ) -> None:
        match event:
            case StepStarted():
                if step.started is None:
                    step.started = self._now
                if event.index is None:
                    step.attempts += 1
                    step.enter("run", self._now)
                else:
                    step.open_items.add(event.index)
                step.look = "running"
            case StepProgress():
                step.open_items.discard(event.index)
                step.items[event.index] = event.error is None
                step.total = event.total
            case StepRetrying():
                step.retries += 1
                if event.index is None:
                    step.enter("retry", self._now)
            case StepFinished():
                step.leave(self._now)
                step.look, step.finished, step.rank = event.status, self._now, self._count
                step.output, step.error = event.output, event.error

    def _take_run(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._task = event.task
            case PlanReady():
                self._asking = {}  # approvals are bound to the plan's hash
            case ApprovalRequested():
                self._ask(event.step_ids)
            case ApprovalAnswered():
                self._answered(event.step_ids)
            case RunWaiting():
                self._status = "waiting"
            case ModelCalled():
                self._called(event)
            case ChildRunFinished():
                self._usage += event.usage
                child = Child(event.child_id, event.step_id, event.status, event.usage)
                self._children.append(child)

    def _ask(self, step_ids: tuple[str, ...]) -> None:
        for step_id in step_ids:
            self._asking[step_id] = None
            step = self._steps.get(step_id)
            if step is not None and step.look == "planned":
                step.enter("approval", self._now)

    def _answered(self, step_ids: tuple[str, ...]) -> None:
        if self._status == "waiting" and self._ended is None:
            self._status = None
        for step_id in step_ids:
            self._asking.pop(step_id, None)
            step = self._steps.get(step_id)
            if step is not None and step.open_kind == "approval":
                step.leave(self._now)

    def _called(self, event: ModelCalled) -> None:
        self._usage += event.usage
        step = self._steps.get(event.step_id or "")
        if step is not None:
            step.usage += event.usage
        if event.step_id is None:
            start = max(self._began or 0.0, self._now - event.seconds)
            self._models.append(Stretch("model", start, self._now, event.purpose))

    def _resumed(self, event: RunResumed, cut: float) -> None:
        """The run was cut short at `cut`, as far as anybody knows, and goes on now."""
        self._gaps.append(Stretch("rest", cut, self._now))
        self._status = self._error = self._answer = self._ended = None
        for step in self._steps.values():
            asked = step.open_kind == "approval"
            if step.open_since is not None:
                step.leave(max(cut, step.open_since))
                if asked and step.id in self._asking:
                    step.enter("approval", self._now)
            unfinished = step.look in ("running", "waiting", "cancelled")
            if unfinished or step.id in event.reopened:
                step.reopen()

    # ---- the result --------------------------------------------------------------------------

    def timeline(self) -> Timeline:
        """What the events so far come to."""
        ended = self._now if self._ended is None else self._ended
        open_run = self._status in (None, "waiting", "paused")
        waits = (self._steps.get(step_id) for step_id in self._asking)
        pending = tuple(
            step.id for step in waits if open_run and step and step.look in ("planned", "waiting")
        )
        result = Timeline(
            run_id=self._run_id,
            task=self._task,
            status=self._status,
            began=self._began,
            ended=None if self._began is None else ended,
            critical=critical_chain(
                {
                    step.id: Lived(step.needs, step.started, step.finished, step.rank)
                    for step in self._steps.values()
                }
            ),
            usage=self._usage,
            answer=self._answer,
            error=self._error,
            pending=pending,
            doubtful=tuple(
                name
                for step in self._steps.values()
                if _in_doubt(step)
                for name in names_in_doubt(step.id, step.open_items)
            ),
            models=tuple(self._models),
            gaps=tuple(self._gaps),
            children=tuple(self._children),
        )
        depths = in_layers({step.id: step.needs for step in self._steps.values()})
        lines = (self._line(self._steps[step_id], result, depths) for step_id in depths)
        return replace(result, steps=tuple(lines))

    def _line(self, step: _Step, run: Timeline, depths: dict[str, int]) -> StepLine:
        assert run.ended is not None
        stretches = list(step.stretches)
        if step.open_since is not None:
            stretches.append(
                Stretch(step.open_kind, step.open_since, max(run.ended, step.open_since))
            )
        ends = [self._steps[need].finished for need in step.needs if need in self._steps]
        known = [end for end in ends if end is not None]
        seconds: float | None = None
        if step.started is not None:
            end = run.ended if step.finished is None else step.finished
            seconds = max(0.0, run.offset(end) - run.offset(step.started))
        return StepLine(
            id=step.id,
            tool=step.tool,
            needs=step.needs,
            wire=step.wire,
            depth=depths[step.id],
            look=step.look,
            ready=max([step.planned, *known]) if len(known) == len(ends) else None,
            started=step.started,
            finished=step.finished,
            seconds=seconds,
            attempts=step.attempts,
            retries=step.retries,
            done=len(step.items),
            total=step.total,
            failed=sum(not succeeded for succeeded in step.items.values()),
            usage=step.usage,
            error=step.error,
            output=step.output,
            undone=step.undone,
            stretches=tuple(stretches),
        )


def _in_doubt(step: _Step) -> bool:
    return step.look == "waiting" and step.error is not None and step.error.code == "in_doubt"

"""What a journal tells of a run that is to go on: a fold over its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    ApprovalAnswered,
    ApprovalRequested,
    ChildRunFinished,
    DoubtSettled,
    Event,
    MemoryRecalled,
    ModelCalled,
    PlanningStarted,
    PlanReady,
    PlanReused,
    RunFinished,
    RunResumed,
    RunStarted,
    StepDropped,
    StepFinished,
    StepPlanned,
    StepProgress,
    StepRetrying,
    StepStarted,
    StepStatus,
    ToolCalled,
    UndoFinished,
)
from treadle.core.payload import Payload
from treadle.core.taint import CLEAN, Labels
from treadle.executor.approval import Decisions
from treadle.planner.plan import Plan


@dataclass(slots=True)
class Past:
    """What became of one step so far.

    version: of the plan that introduced it.
    attempts: made so far, by item; None is the step itself.
    items: (output, error) of the items of a fan-out that have ended.
    open_calls: calls that began and have no end, by item, with the hash of their inputs.
    calls: the arguments of the calls that began, by item.
    resolved: it failed, and a patch has taken care of that.
    author, gathered, taint: labels; see `Node`.
    """

    version: int = 1
    attempts: int = 0
    status: StepStatus | None = None
    output: Payload | None = None
    error: ErrorInfo | None = None
    items: dict[int, tuple[Payload | None, ErrorInfo | None]] = field(default_factory=dict)
    open_calls: dict[int | None, str | None] = field(default_factory=dict)
    calls: dict[int | None, Payload] = field(default_factory=dict)
    resolved: bool = False
    undone: set[int | None] = field(default_factory=set)
    author: Labels = CLEAN
    gathered: Labels = CLEAN
    taint: Labels | None = None

    def reopen(self) -> None:
        """It is to run (again)."""
        self.status = self.output = self.error = self.taint = None


class History:
    """The state of a run as its events leave it."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.started: RunStarted | None = None
        self.finished: RunFinished | None = None
        self.steps: dict[str, Past] = {}
        self.plan: Plan | None = None
        self.fingerprints: Mapping[str, str] = {}
        self.replans = 0
        self.decisions = Decisions()
        self.usage = Usage()
        self.calls = 0
        """Step executions, as a budget counts them."""
        self.cost = 0.0
        """Money for calls of tools; that for models is in `usage`."""
        self.author: Labels = CLEAN
        """The labels of whoever wrote the plan as it is."""
        self.recalled: MemoryRecalled | None = None
        """What memory had on the task."""
        self.remembered: Labels = CLEAN
        """The labels of what came out of memory."""
        self.seconds = 0.0
        """Time in which a process worked on it."""
        self._since: float | None = None
        self._replanning = False
        for event in events:
            self._take(event)
            if self._since is not None and event.at > self._since:
                self.seconds += event.at - self._since
            self._since = None if isinstance(event, RunFinished) else event.at

    def reopen(self, step_ids: Iterable[str]) -> None:
        """What is not done yet is open again; so are these steps, which had failed."""
        for past in self.steps.values():
            if past.status in ("cancelled", "waiting"):
                past.reopen()
        for step_id in step_ids:
            past = self.steps[step_id]
            past.reopen()
            past.items = {index: item for index, item in past.items.items() if item[1] is None}

    def _take(self, event: Event) -> None:
        match event:
            case StepStarted():
                self._started(event)
            case StepProgress():
                past = self.steps[event.step_id]
                past.items[event.index] = (event.output, event.error)
                past.open_calls.pop(event.index, None)
                past.gathered |= frozenset(event.taint)
                self.calls += 1
                self.cost += event.cost or 0.0
            case StepFinished():
                self._finished(event)
            case StepPlanned():
                self.steps[event.step_id] = Past(event.version, author=frozenset(event.taint))
            case StepDropped():
                self.steps.pop(event.step_id, None)
            case StepRetrying():
                self.steps[event.step_id].open_calls.pop(event.index, None)
            case DoubtSettled():
                self.steps[event.step_id].open_calls.pop(event.index, None)
            case ModelCalled():
                self.usage += event.usage
            case ToolCalled():
                self.calls += 1
                self.cost += event.cost or 0.0
            case ChildRunFinished():
                self.usage += event.usage
                self.calls += event.calls
                self.cost += event.cost
            case ApprovalRequested():
                self.decisions.ask(event.step_ids, event.input_hashes)
            case ApprovalAnswered():
                if event.by == "person":  # code is asked again: it may be stricter now
                    answer = (event.approved, event.arguments, event.reason)
                    self.decisions.take(event.step_ids, *answer)
            case UndoFinished():
                if event.error is None:
                    self.steps[event.step_id].undone.add(event.index)
            case _:
                self._take_run(event)

    def _take_run(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.started = event
            case PlanningStarted():
                self.replans = event.replan
                self._replanning = event.replan > 0
            case MemoryRecalled():
                self.recalled = event
                self.remembered |= frozenset(event.taint)
            case PlanReused():
                self.remembered |= frozenset(event.taint)
            case PlanReady():
                self.plan = Plan.from_wire(event.plan.value)
                self.fingerprints = event.fingerprints
                self.author = frozenset(event.taint)
                self.decisions = Decisions()  # they are bound to the plan's hash
                if self._replanning:
                    # The planner has seen what failed; a patch by a person is no answer to it.
                    for past in self.steps.values():
                        past.resolved = past.resolved or past.status == "failed"
                self._replanning = False
            case RunFinished():
                self.finished = event
            case RunResumed():
                self._resumed(event)

    def _started(self, event: StepStarted) -> None:
        past = self.steps[event.step_id]
        past.attempts = max(past.attempts, event.attempt)
        if event.anew:
            past.items.clear()
        if event.arguments is not None:
            past.open_calls[event.index] = event.input_hash
            past.calls[event.index] = event.arguments
            if event.index is None:
                self.calls += 1
                self.cost += event.cost or 0.0

    def _finished(self, event: StepFinished) -> None:
        past = self.steps[event.step_id]
        past.status, past.output, past.error = event.status, event.output, event.error
        past.taint = frozenset(event.taint)
        if event.status not in ("cancelled", "waiting"):
            # Cut short is not ended: what a call with effects came to is open then.
            past.open_calls.clear()

    def _resumed(self, event: RunResumed) -> None:
        self.finished = None
        self._since = None
        self.reopen(event.reopened)

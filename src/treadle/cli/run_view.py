"""What a run looks like at this moment: a fold over its events, constant work per event."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import Literal, TypeAlias

from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    ApprovalAnswered,
    ApprovalRequested,
    Event,
    MemoryRecalled,
    ModelCalled,
    PlanningStarted,
    PlanReady,
    PlanReused,
    RepairRequested,
    RunFinished,
    RunStarted,
    RunStatus,
    RunWaiting,
    StepDropped,
    StepFinished,
    StepPlanned,
    StepProgress,
    StepRetrying,
    StepStarted,
)

Look: TypeAlias = Literal[
    "planned", "running", "succeeded", "failed", "skipped", "cancelled", "waiting"
]

RECENT = 200


@dataclass(slots=True)
class StepView:
    """One step as it is shown; times in seconds since 1970.

    depth: how many steps stand before it on its longest path.
    """

    id: str
    tool: str
    needs: tuple[str, ...]
    depth: int = 0
    look: Look = "planned"
    started: float | None = None
    finished: float | None = None
    done: int = 0
    total: int = 0
    retries: int = 0
    error: ErrorInfo | None = None

    def elapsed(self, now: float) -> float | None:
        """Seconds it has run, or took; None if it never started."""
        if self.started is None:
            return None
        return max(0.0, (self.finished if self.finished is not None else now) - self.started)


class RunView:
    """The state of a run, event by event.

    lock: held while an event is folded in. Whoever reads from another thread (a screen does, to
        draw at its own pace) holds it meanwhile.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.steps: dict[str, StepView] = {}
        self.counts: Counter[Look] = Counter()
        self.running: dict[str, StepView] = {}
        self.failed: dict[str, StepView] = {}
        self.recent: deque[StepView] = deque(maxlen=RECENT)
        self.started: float | None = None
        self.model: str | None = None
        self.planning = False
        self.replans = 0
        self.repairs = 0
        self.recalled = 0
        self.reused = False
        self.usage = Usage()
        self.asking: tuple[str, ...] = ()
        self.status: RunStatus | None = None
        self.error: ErrorInfo | None = None

    def take(self, event: Event) -> None:
        """Fold in the next event."""
        with self.lock:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case StepPlanned():
                self._planned(event)
            case StepStarted():
                step = self.steps[event.step_id]
                step.started = step.started if step.started is not None else event.at
                self.running[step.id] = step
                self._look(step, "running")
            case StepProgress():
                step = self.steps[event.step_id]
                step.done, step.total = event.done, event.total
            case StepRetrying():
                self.steps[event.step_id].retries += 1
            case StepFinished():
                self._finished(self.steps[event.step_id], event)
            case StepDropped():
                self._forget(self.steps.pop(event.step_id))
            case _:
                self._take_run_event(event)

    def _take_run_event(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.started = event.at
            case PlanningStarted():
                self.planning, self.model, self.replans = True, event.model, event.replan
            case PlanReady():
                self.planning = False
            case RepairRequested():
                self.repairs += 1
            case MemoryRecalled():
                self.recalled = len(event.items)
            case PlanReused():
                self.reused = True
            case ModelCalled():
                self.usage += event.usage
            case ApprovalRequested():
                self.asking = event.step_ids
            case ApprovalAnswered():
                self.asking = ()
            case RunWaiting():
                self.status = "waiting"
            case RunFinished():
                self.status, self.error, self.planning = event.status, event.error, False

    def _planned(self, event: StepPlanned) -> None:
        before = self.steps.get(event.step_id)
        if before is not None:
            # A patch has changed a step that had not started.
            self._forget(before)
        depths = (self.steps[need].depth + 1 for need in event.needs if need in self.steps)
        self.steps[event.step_id] = StepView(
            event.step_id, event.tool, event.needs, max(depths, default=0)
        )
        self.counts["planned"] += 1

    def _forget(self, step: StepView) -> None:
        self.counts[step.look] -= 1
        self.running.pop(step.id, None)
        self.failed.pop(step.id, None)

    def _finished(self, step: StepView, event: StepFinished) -> None:
        step.finished, step.error = event.at, event.error
        self.running.pop(step.id, None)
        self.recent.append(step)
        if event.status == "failed":
            self.failed[step.id] = step
        self._look(step, event.status)

    def _look(self, step: StepView, look: Look) -> None:
        self.counts[step.look] -= 1
        self.counts[look] += 1
        step.look = look

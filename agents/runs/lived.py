"""A run that has ended as memory learns from it: a fold over its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    Event,
    MemoryRecalled,
    PlanningStarted,
    PlanPatched,
    PlanReady,
    PlanReused,
    RepairRequested,
    RunFinished,
    RunStarted,
    RunStatus,
    StepDropped,
    StepFinished,
    StepPlanned,
)
from treadle.core.payload import Payload
from treadle.core.remembered import remembered_items
from treadle.planner.plan import Plan

if TYPE_CHECKING:
    from treadle.memory.learning.run_record import RunOutcome, RunRecord

_NO_VERDICT = frozenset({"budget_exceeded", "cancelled", "payload_erased", "internal_error"})
"""Error codes that say nothing of the plan."""


def run_record(events: Iterable[Event], plan: Plan | None) -> RunRecord | None:
    """What memory is told of a run; None where there is nothing to learn: it had no task in words,
    or has not ended for good.
    """
    fold = _Fold()
    for event in events:
        fold.take(event)
    started, finished = fold.started, fold.finished
    if started is None or finished is None or finished.status in ("waiting", "paused"):
        return None
    task = _value(started.task)
    if not isinstance(task, str):
        return None
    return fold.record(task, started, finished, plan)


class _Fold:
    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.finished: RunFinished | None = None
        self._recalled: MemoryRecalled | None = None
        self._reused: PlanReused | None = None
        self._fingerprints: Mapping[str, str] = {}
        self._author: frozenset[str] = frozenset()
        self._tools: dict[str, str] = {}
        self._ended: dict[str, StepFinished] = {}
        self._repairs: list[str] = []
        self._changes = 0

    def take(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.started = event
            case MemoryRecalled():
                self._recalled = event
            case PlanReused():
                self._reused = event
            case PlanningStarted():
                self._changes = max(self._changes, event.replan)
                if not event.replan:
                    self._reused = None  # the planner was asked after all
            case PlanPatched():
                self._changes += 1
            case RepairRequested():
                self._repairs += [error.code for error in event.errors]
            case PlanReady():
                self._fingerprints = event.fingerprints
                self._author = frozenset(event.taint)
            case StepPlanned():
                self._tools[event.step_id] = event.tool
            case StepDropped():
                self._tools.pop(event.step_id, None)
            case StepFinished():
                self._ended[event.step_id] = event
            case RunFinished():
                self.finished = event

    def record(
        self, task: str, started: RunStarted, finished: RunFinished, plan: Plan | None
    ) -> RunRecord:
        from treadle.memory.learning import RunRecord, StepRecord

        recalled = self._recalled
        shown = None if recalled is None else _value(recalled.text)
        steps = [
            StepRecord(
                id=step_id,
                tool=self._tools.get(step_id, ""),
                status=event.status,
                code="" if event.error is None else event.error.code,
                message="" if event.error is None else event.error.message,
                taint=frozenset(event.taint),
            )
            for step_id, event in self._ended.items()
        ]
        return RunRecord(
            run_id=finished.run_id,
            task=task,
            outcome=_outcome(finished.status, finished.error),
            plan=None if plan is None else plan.wire(),
            fingerprints=self._fingerprints,
            steps=tuple(steps),
            alone=started.history is None and started.forked_from is None,
            repairs=tuple(self._repairs),
            replans=self._changes,
            author=self._author | frozenset(started.taint),
            reused=None if self._reused is None else self._reused.procedure,
            concepts=() if recalled is None else recalled.concepts,
            shown=_said(shown) if isinstance(shown, str) else (),
        )


def _outcome(status: RunStatus, error: ErrorInfo | None) -> RunOutcome:
    if status == "succeeded":
        return "succeeded"
    if status != "failed" or (error is not None and error.code in _NO_VERDICT):
        return "other"
    return "failed"


def _said(shown: str) -> tuple[str, ...]:
    """The facts and episodes that a planner was shown: what was true then, and may change."""
    items = (each for each in remembered_items(shown) if each.get("kind") in ("fact", "episode"))
    return tuple(str(each.get("text")) for each in items)


def _value(payload: Payload | None) -> object:
    return None if payload is None or payload.erased else payload.value

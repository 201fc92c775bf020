"""The result of a run: a fold over its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from treadle.core.chat import Usage
from treadle.core.clock import iso_time
from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    ChildRunFinished,
    Event,
    ModelCalled,
    PlanReady,
    RunFinished,
    RunResumed,
    RunStatus,
    RunWaiting,
    StepDropped,
    StepFinished,
    StepPlanned,
    StepProgress,
    StepStarted,
    StepStatus,
)
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.planner.plan import Plan


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of a step; times in seconds since 1970, None where it never started or ended.

    status is None while the step has not ended.
    """

    id: str
    tool: str
    status: StepStatus | None = None
    started: float | None = None
    finished: float | None = None
    output: JsonValue = None
    error: ErrorInfo | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """`{"id", "tool", "status", "started", "finished", "output" | "error"}`."""
        document: dict[str, JsonValue] = {
            "id": self.id,
            "tool": self.tool,
            "status": self.status,
            "started": None if self.started is None else iso_time(self.started),
            "finished": None if self.finished is None else iso_time(self.finished),
        }
        if self.error is None or self.output is not None:
            document["output"] = self.output
        if self.error is not None:
            document["error"] = {**self.error.as_json()}
        return document


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to.

    answer: the answer, a JSON value; `output` is the same as the `output_type` that was asked for.
    plan: the last version of the plan, None when there is none.
    steps: what became of each step, in the plan's order; read from the events when first asked for.
    usage: tokens and calls of the run, those of agents and of runs in its steps included.
    events: the record that everything else here is read from.
    taint: the untrusted sources that the answer has come from, as labels.
    """

    run_id: str
    status: RunStatus | None = None
    answer: JsonValue = None
    plan: Plan | None = None
    usage: Usage = field(default_factory=Usage)
    error: ErrorInfo | None = None
    events: tuple[Event, ...] = ()
    output: Any = None
    taint: tuple[str, ...] = ()
    _steps: tuple[StepResult, ...] | None = field(
        init=False, repr=False, compare=False, default=None
    )

    @property
    def steps(self) -> tuple[StepResult, ...]:
        if self._steps is None:
            object.__setattr__(self, "_steps", _steps(self.events))
        assert self._steps is not None
        return self._steps

    @classmethod
    def from_events(
        cls, events: Iterable[Event], output: object = None, plan: Plan | None = None
    ) -> RunResult:
        """Fold the events of one run, complete or not.

        plan: the last version of the plan, where the caller has it; else it is read anew.
        """
        kept = tuple(events)
        fold = _Fold(kept)
        return cls(
            run_id=kept[0].run_id if kept else "",
            status=fold.status,
            answer=_value(fold.answer),
            plan=plan if plan is not None or fold.plan is None else Plan.from_wire(fold.plan.value),
            usage=fold.usage,
            error=fold.error,
            events=kept,
            output=output,
            taint=fold.taint,
        )

    def as_json(self) -> dict[str, JsonValue]:
        """The object that the CLI prints for `--json`."""
        document: dict[str, JsonValue] = {
            "run_id": self.run_id,
            "status": self.status,
            "answer": self.answer,
            "plan": None if self.plan is None else self.plan.wire(),
            "steps": [step.as_json() for step in self.steps],
            "usage": {**self.usage.as_json()},
        }
        if self.error is not None:
            document["error"] = {**self.error.as_json()}
        if self.taint:
            document["untrusted"] = list(self.taint)
        return document


_OF_STEPS = frozenset({StepPlanned, StepDropped, StepStarted, StepProgress, StepFinished})
"""Most events, by far; what they tell is in the steps."""


class _Fold:
    def __init__(self, events: Iterable[Event]) -> None:
        self.status: RunStatus | None = None
        self.answer: Payload | None = None
        self.plan: Payload | None = None
        self.usage = Usage()
        self.error: ErrorInfo | None = None
        self.taint: tuple[str, ...] = ()
        for event in events:
            if type(event) not in _OF_STEPS:
                self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case ModelCalled() | ChildRunFinished():
                self.usage += event.usage
            case RunResumed():
                self.status = self.error = self.answer = None
            case PlanReady():
                self.plan = event.plan
            case RunWaiting():
                self.status = "waiting"
            case RunFinished():
                self.status, self.answer, self.error = event.status, event.answer, event.error
                self.taint = event.taint


def _steps(events: Iterable[Event]) -> tuple[StepResult, ...]:
    steps: dict[str, StepResult] = {}
    for event in events:
        match event:
            case StepPlanned():
                steps[event.step_id] = StepResult(event.step_id, event.tool)
            case StepDropped():
                steps.pop(event.step_id, None)
            case StepStarted():
                step = steps[event.step_id]
                if step.started is None:
                    steps[event.step_id] = StepResult(step.id, step.tool, started=event.at)
            case StepFinished():
                step = steps[event.step_id]
                steps[event.step_id] = StepResult(
                    step.id,
                    step.tool,
                    event.status,
                    step.started,
                    event.at,
                    _value(event.output),
                    event.error,
                )
            case RunResumed():
                for id_, step in steps.items():
                    if step.status in ("waiting", "cancelled") or id_ in event.reopened:
                        steps[id_] = StepResult(step.id, step.tool, started=step.started)
    return tuple(steps.values())


def _value(payload: Payload | None) -> JsonValue:
    return None if payload is None else payload.value

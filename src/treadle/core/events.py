"""Events: the one record of a run.

Every fact about a run is one event, numbered per run and never changed. The live view, the
result, the trace and the log are all folds over the same events. Payloads (arguments, outputs,
texts) hang off an event by reference, so that a payload can be erased while the event stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo, RunError
from treadle.core.json_value import JsonValue

RunStatus: TypeAlias = Literal["succeeded", "failed", "cancelled", "waiting"]
StepStatus: TypeAlias = Literal["succeeded", "failed", "skipped", "cancelled", "waiting"]


class Payload:
    """A value that an event refers to. Erasing it leaves the event in place."""

    __slots__ = ("_erased", "_value")

    def __init__(self, value: JsonValue) -> None:
        self._value = value
        self._erased = False

    @property
    def value(self) -> JsonValue:
        """The value. Raises RunError (`payload_erased`) after `erase`."""
        if self._erased:
            raise RunError("payload_erased", "this payload was erased; only its event remains")
        return self._value

    def erase(self) -> None:
        """Forget the value for good."""
        self._value = None
        self._erased = True

    def __repr__(self) -> str:
        return "Payload(erased)" if self._erased else f"Payload({self._value!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events share: their run, their number in it, and when (seconds since 1970).

    `run_id`, `seq` and `at` are filled in by `EventLog.append`.
    """

    run_id: str = ""
    seq: int = -1
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run began. `task` is the user's words, None when a finished plan was handed in."""

    task: Payload | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningStarted(Event):
    """The planner was asked for a plan (or for a patch, when `replan` counts from 1)."""

    model: str
    replan: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlanned(Event):
    """A step was added to the plan; `step` is its wire form, `needs` the ids it waits for."""

    step_id: str
    tool: str
    needs: tuple[str, ...]
    step: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDropped(Event):
    """A step was taken out of the plan (by a patch) before it started."""

    step_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRequested(Event):
    """The planner was asked again because of `errors`; `attempt` counts from 1."""

    attempt: int
    errors: tuple[ErrorInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReady(Event):
    """The plan is complete and checked; `plan` is its wire form."""

    plan_hash: str
    version: int
    plan: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequested(Event):
    """A person must decide on calls with effects; bound to the plan's hash."""

    plan_hash: str
    step_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAnswered(Event):
    """The decision on an approval. Where there was nobody to ask, there is none."""

    plan_hash: str
    step_ids: tuple[str, ...]
    approved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """An attempt at a step began. `arguments` are resolved; None for the whole of a fan-out."""

    step_id: str
    attempt: int = 1
    arguments: Payload | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress(Event):
    """The item `index` (from 0) of a fan-out has ended; `done` of `total` have.

    `output` or `error` are the item's.
    """

    step_id: str
    done: int
    total: int
    index: int
    output: Payload | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRetrying(Event):
    """An attempt failed and another follows after `delay` seconds; `index` in a fan-out."""

    step_id: str
    attempt: int
    delay: float
    error: ErrorInfo
    index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """A step ended. `output` where it has one; `error` where it failed, was skipped or cut short.

    With the policy `value` a failed step has both: its output is the error.
    """

    step_id: str
    status: StepStatus
    output: Payload | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalled(Event):
    """A model call ended; `seconds` until its first delta and in all."""

    model: str
    purpose: str
    step_id: str | None
    usage: Usage
    first_delta_seconds: float | None
    seconds: float
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled(Event):
    """An agent inside a step called a tool."""

    step_id: str | None
    tool: str
    arguments: Payload
    output: Payload | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDelta(Event):
    """The next characters of the answer, while it is being written."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWaiting(Event):
    """The run rests until a person has decided on these steps; more events may follow."""

    step_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """A run ended; always the last event."""

    status: RunStatus
    answer: Payload | None = None
    error: ErrorInfo | None = None
    usage: Usage = field(default_factory=Usage)

"""Events: the one record of a run.

Every fact about a run is one event, numbered per run and never changed. The live view, the
result, the trace and the log are all folds over the same events. Payloads (arguments, outputs,
texts) hang off an event by reference, so that a payload can be erased while the event stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo
from treadle.core.payload import Payload

RunStatus: TypeAlias = Literal["succeeded", "failed", "cancelled", "waiting", "paused"]
StepStatus: TypeAlias = Literal["succeeded", "failed", "skipped", "cancelled", "waiting"]


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
    """A run began. `task` is the user's words, None when a finished plan was handed in.

    history: the conversation before it, as `[[role, text], ...]`.
    settings: what a command line needs to make the same Runtime again.
    parent: the step key of the step that the run is part of; None for one that stands alone.
    budget: the limits that it was given for itself, by resource; None where it has those of its
        Runtime.
    forked_from: `RUN/STEP` of the run that it goes another way than, from that step on.
    asks: steps of that run whose calls have effects and are to be made anew: each asks, whatever
        its tool.
    taint: the untrusted sources that the task and the history have come from, as labels; see
        `treadle.core.taint`. In all events.
    """

    task: Payload | None = None
    history: Payload | None = None
    settings: Payload | None = None
    parent: str | None = None
    budget: Mapping[str, float] | None = None
    forked_from: str | None = None
    asks: tuple[str, ...] = ()
    taint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(Event):
    """The run goes on, in another process as a rule; what was waiting or cut short is open again.

    reopened: steps that had failed and are to be run again because a person said so, with those
        that were skipped because of them.
    """

    reopened: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningStarted(Event):
    """The planner was asked for a plan (or for a patch, when `replan` counts from 1)."""

    model: str
    replan: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRecalled(Event):
    """Memory was asked what it has on the task, once in a run: one that is resumed goes on with it.

    text: what the planner is shown of it; None where there is nothing.
    items: the ids of what that is made of. concepts: those of them that are concepts or warnings.
    error: why memory could not be asked; the run goes on without.
    taint: the labels of all of it.
    """

    text: Payload | None = None
    items: tuple[str, ...] = ()
    concepts: tuple[str, ...] = ()
    error: ErrorInfo | None = None
    taint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReused(Event):
    """The plan is one that has worked before, for other values or the same: no planner was asked.

    procedure: its id. task: the task that it was made for.
    taint: the labels of what its author was shown.
    """

    procedure: str
    task: Payload | None = None
    taint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlanned(Event):
    """A step was added to the plan; `step` is its wire form, `needs` the ids it waits for.

    version: of the plan that introduced it; with the run and the id the step's key.
    taint: the labels of what its author was shown.
    """

    step_id: str
    tool: str
    needs: tuple[str, ...]
    step: Payload
    version: int = 1
    taint: tuple[str, ...] = ()


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
    """The plan is complete and checked; `plan` is its wire form.

    fingerprints: of the tools that it calls, by name: schema and code; see `Tool.fingerprint`.
    taint: the labels of what its author was shown.
    """

    plan_hash: str
    version: int
    plan: Payload
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    taint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequested(Event):
    """A person must decide on calls; bound to the plan's hash.

    arguments: by step id, with which the calls would run, where they were asked about when those
        were known; of a fan-out a list. input_hashes: of the same; an answer is about these.
    reasons: by step id, why a call asks that need not ask by its effect.
    """

    plan_hash: str
    step_ids: tuple[str, ...]
    arguments: Payload | None = None
    input_hashes: Mapping[str, str] | None = None
    reasons: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAnswered(Event):
    """The decision on an approval. Where there was nobody to ask, there is none.

    arguments: what the person put in place of the arguments of the one step it is about.
    by: "person", or "policy" where code has allowed what would have asked, or refused.
    """

    plan_hash: str
    step_ids: tuple[str, ...]
    approved: bool
    reason: str | None = None
    arguments: Payload | None = None
    by: Literal["person", "policy"] = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """An attempt at a step began. `arguments` are resolved; None for the whole of a fan-out.

    index: the item, where the call is one of a fan-out with effects. For a call with effects this
        is the intent: it is durable before the call is made.
    input_hash: of the resolved arguments, 32 hexadecimal digits; None where nothing is journaled.
    anew: what an earlier start has made of the items of a fan-out is void.
    cost: of the call, in money; of an item of a fan-out StepProgress tells it.
    """

    step_id: str
    attempt: int = 1
    arguments: Payload | None = None
    index: int | None = None
    version: int = 1
    input_hash: str | None = None
    anew: bool = False
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtSettled(Event):
    """It is known what became of a call with effects that a crash or a cancellation cut short.

    decision: "reconciled" (its tool says that it happened, and its result), "not_done" (its tool
        says that it did not), "idempotent" (calling again is safe), and "done" or "redo" where a
        person decided.
    """

    step_id: str
    decision: Literal["reconciled", "not_done", "idempotent", "done", "redo"]
    index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress(Event):
    """The item `index` (from 0) of a fan-out has ended; `done` of `total` have.

    `output` or `error` are the item's. taint: the labels of what its call has read by itself. cost:
    of the call, in money.
    """

    step_id: str
    done: int
    total: int
    index: int
    output: Payload | None = None
    error: ErrorInfo | None = None
    taint: tuple[str, ...] = ()
    cost: float | None = None


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
    taint: the labels of either.
    """

    step_id: str
    status: StepStatus
    output: Payload | None = None
    error: ErrorInfo | None = None
    taint: tuple[str, ...] = ()


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
class ToolStarted(Event):
    """An agent inside a step is about to call a tool whose effect cannot be repeated.

    The intent: it is durable before the call is made. Without a ToolCalled after it, the effect
    may have happened.
    """

    step_id: str | None
    tool: str
    arguments: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled(Event):
    """An agent inside a step called a tool.

    taint: the labels of what came back. cost: of the call, in money.
    """

    step_id: str | None
    tool: str
    arguments: Payload
    output: Payload | None = None
    error: ErrorInfo | None = None
    taint: tuple[str, ...] = ()
    cost: float | None = None


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
    """A run ended; always the last event. taint: the labels of its answer."""

    status: RunStatus
    answer: Payload | None = None
    error: ErrorInfo | None = None
    usage: Usage = field(default_factory=Usage)
    taint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRunFinished(Event):
    """A run that a step of this one has started has ended; its tokens and calls count here too.

    usage, calls, cost: since the last such event about the same run. calls: step executions.
    cost: of tools, in money.
    """

    child_id: str
    status: RunStatus
    usage: Usage
    step_id: str | None = None
    calls: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoStarted(Event):
    """The effect of a step, or of the item `index` of its fan-out, is about to be taken back."""

    step_id: str
    index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoFinished(Event):
    """The effect was taken back, or could not be: then `error` says why."""

    step_id: str
    index: int | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPatched(Event):
    """The plan was changed while it ran; follows the PlanReady of the new version.

    request: what was asked, so that nobody does it twice: the id of a person's patch, the hash of
        one by a step; None where nobody can ask again.
    step_id: the step whose tool changed the plan.
    """

    version: int
    request: str | None = None
    step_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchRefused(Event):
    """A patch that another process has left does not fit the plan as it is now: nothing changed.

    request: the id of the patch.
    """

    error: ErrorInfo
    request: str | None = None

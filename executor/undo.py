"""Undo: take back what the steps of a run did, in reverse dependency order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from treadle.core.errors import ErrorInfo, RunError, ToolError, TreadleError
from treadle.core.event_log import EventLog
from treadle.core.events import UndoFinished, UndoStarted
from treadle.core.json_value import JsonValue
from treadle.core.secrets import SecretProvider
from treadle.executor.history import History, Past
from treadle.executor.step_key import StepKey
from treadle.executor.stored import load, restored
from treadle.planner.step import Step
from treadle.tools import Tool, ToolRegistry
from treadle.tools.artifacts import ArtifactStore


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of one effect: taken back, or `error` says why not.

    index: of a fan-out. run_id: of the run within, where a step of that had the effect.
    """

    step_id: str
    index: int | None = None
    error: ErrorInfo | None = None
    run_id: str | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """`{"step", "index"?, "run"?, "undone", "error"?}`."""
        document: dict[str, JsonValue] = {"step": self.step_id, "undone": self.error is None}
        if self.run_id is not None:
            document["run"] = self.run_id
        if self.index is not None:
            document["index"] = self.index
        if self.error is not None:
            document["error"] = {**self.error.as_json()}
        return document


Within: TypeAlias = Callable[[Tool, StepKey], Awaitable[list[Undone] | None]]
"""Takes back the run that a call has made; gives None for a tool whose calls are no runs."""


async def undo(
    history: History,
    log: EventLog,
    tools: ToolRegistry,
    artifacts: ArtifactStore,
    *,
    step_id: str | None = None,
    within: Within | None = None,
    secrets: SecretProvider | None = None,
) -> list[Undone]:
    """Take back the effects of a run, the last first; or those of one step.

    within: takes back the runs that its steps have made.
    secrets: knows the values of secrets; None for what the run has, or the environment.

    Each is journaled before and after. What was taken back already is left alone; what cannot be
    taken back is reported, and the rest goes on. A crash in the middle may call an `undo` again
    that had just ended, so it has to bear that.

    Raises RunError: `unknown_step`, and `nothing_recorded` for a run without a plan.
    """
    if history.plan is None:
        raise RunError("nothing_recorded", "the run has no plan, so it had no effects")
    if step_id is not None and step_id not in history.plan:
        raise RunError("unknown_step", f"the run has no step '{step_id[:80]}'")
    outcomes: list[Undone] = []
    for step in reversed(history.plan.steps):
        if step_id is not None and step.id != step_id:
            continue
        past = history.steps[step.id]
        if step.tool not in tools:
            if past.calls:
                reason = f"there is no tool '{step.tool}' here; name the one it ran with"
                outcomes.append(Undone(step.id, None, ErrorInfo("unknown_tool", reason, step.id)))
            continue
        tool = tools[step.tool]
        if within is not None:
            nested = await _nested(step, past, tool, log, within)
            if nested is not None:
                outcomes += nested
                continue
        if not tool.effect.repeatable:
            for index in _effects(past):
                outcomes.append(await _take_back(step, index, past, tool, log, artifacts, secrets))
    return outcomes


async def _nested(
    step: Step, past: Past, tool: Tool, log: EventLog, within: Within
) -> list[Undone] | None:
    """Take back the runs that the calls of `step` have made, however they ended.

    Which of their effects are left to take back, their own events know.
    """
    outcomes: list[Undone] = []
    for index in reversed(list(past.calls) or [None]):
        undone = await within(tool, StepKey(log.run_id, step.id, past.version, index))
        if undone is None:
            return None
        outcomes += undone
        if undone:
            error = next((each.error for each in undone if each.error is not None), None)
            log.append(UndoStarted(step_id=step.id, index=index), durable=True)
            log.append(UndoFinished(step_id=step.id, index=index, error=error), durable=True)
    await log.durable()
    return outcomes


def _effects(past: Past) -> Iterator[int | None]:
    """The calls that took effect, or may have, and were not taken back; the last first."""
    for index in reversed(list(past.calls)):
        failed = past.error is not None and past.status == "failed" and index is None
        if index is not None and index in past.items:
            failed = past.items[index][0] is None
        if index not in past.undone and not failed:
            yield index


async def _take_back(
    step: Step,
    index: int | None,
    past: Past,
    tool: Tool,
    log: EventLog,
    artifacts: ArtifactStore,
    secrets: SecretProvider | None,
) -> Undone:
    error: ErrorInfo | None = None
    log.append(UndoStarted(step_id=step.id, index=index), durable=True)
    try:
        if tool.undo is None:
            raise ToolError("cannot_undo", f"'{tool.name}' does not say how it is taken back")
        if index in past.open_calls:
            raise ToolError("in_doubt", "it was cut short; whether it took effect is not known")
        arguments = load(artifacts, restored(artifacts, past.calls[index]))
        assert isinstance(arguments, dict)
        payload = past.output if index is None else past.items[index][0]
        result = load(artifacts, restored(artifacts, payload))
        await log.durable()
        await tool.compensate(result, arguments, secrets=secrets)
    except TreadleError as failure:
        error = ErrorInfo.of(failure, step.id)
    log.append(UndoFinished(step_id=step.id, index=index, error=error), durable=True)
    await log.durable()
    return Undone(step.id, index, error)

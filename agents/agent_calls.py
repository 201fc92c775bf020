"""The tool calls that an agent's model asks for, made and recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from treadle.agents.agent_approval import admitted
from treadle.agents.runs.scope import current_scope
from treadle.core.chat import Message, ToolCall
from treadle.core.clock import SystemClock
from treadle.core.context_value import set_for
from treadle.core.durations import DurationSource
from treadle.core.errors import BudgetExceeded, ErrorInfo, RunError, ToolError, TreadleError
from treadle.core.event_log import EventLog
from treadle.core.events import ToolCalled, ToolStarted
from treadle.core.json_value import JsonValue, as_text
from treadle.core.payload import Payload
from treadle.core.program import Program, current_program
from treadle.core.taint import CallTaint, Labels, current_taint, label_of, listed
from treadle.executor.approval import Approve
from treadle.executor.calling import ToolCaller
from treadle.executor.step_key import call_pattern
from treadle.tools import Tool, ToolRegistry
from treadle.tools.retry import ONCE

MAX_RESULT = 20_000
"""Characters of one tool's output that the model is shown."""


class AgentCalls:
    """Makes the calls of one task of an agent; a failure is an answer that the model sees.

    Within a run they count in its budget and go through its ToolCaller, under the same limits as
    the calls of its steps. Each call is recorded when it has ended, and before it begins, where it
    has an effect that cannot be repeated: that record is durable before the effect.

    own: makes the calls outside of any run.
    approve: decides on effects; None when there is nobody to ask.
    taint: the labels of what the model has read; those of what comes back are added.
    """

    def __init__(
        self,
        tools: ToolRegistry,
        own: ToolCaller,
        approve: Approve | None,
        taint: CallTaint | None = None,
    ) -> None:
        self._tools = tools
        self._approve = approve
        self._taint = CallTaint() if taint is None else taint
        self._program = current_program.get()
        self._caller = _shared_caller(self._program) or own
        self._durations = _shared_durations(self._program)

    async def make(self, calls: Sequence[ToolCall]) -> list[Message]:
        """The outcomes of `calls`, which are made at once, in their order.

        Raises BudgetExceeded, RunError where the journal takes nothing more, and whatever
        `approve` raises.
        """
        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(self._one(call)) for call in calls]
        except BaseExceptionGroup as failed:
            # The budget is used up, or nobody may be asked: callers know that by its own type.
            first = failed.exceptions[0]
            raise first from first.__cause__
        return [each.result() for each in running]

    async def value(self, name: str, arguments: dict[str, JsonValue]) -> JsonValue:
        """Make one call of the tool `name`, as all others are made, and return its output.

        Raises TreadleError where it was not admitted or failed; that is recorded. Raises RunError
        only where the journal takes nothing more, and what `make` raises beside that.
        """
        outcome = await self._outcome(name, lambda: arguments)
        if isinstance(outcome, RunError):
            raise ToolError(outcome.code, outcome.message) from outcome
        if isinstance(outcome, TreadleError):
            raise outcome
        return outcome

    async def _one(self, call: ToolCall) -> Message:
        outcome = await self._outcome(call.name, lambda: _arguments(call))
        if isinstance(outcome, TreadleError):
            return self._message(call, f"error: {ErrorInfo.of(outcome)}")
        text = as_text(outcome)
        if len(text) > MAX_RESULT:
            text = f"{text[:MAX_RESULT]}\n(cut: {len(text):,} characters in all)"
        return self._message(call, text)

    def _message(self, call: ToolCall, text: str) -> Message:
        return Message("tool", text, tool_call_id=call.id, taint=listed(self._taint.labels))

    async def _outcome(
        self, name: str, wish: Callable[[], dict[str, Any]]
    ) -> JsonValue | TreadleError:
        """What the call of `name` gave, or its failure, which the model may be told."""
        arguments: dict[str, Any] = {}
        read = self._taint.labels
        if self._program is not None:
            # Whatever becomes of it: a model that asks for nonsense has an end, too.
            self._program.budget.reserve_step()
        try:
            wanted = self._tools.find(name)
            arguments = wish()
            arguments = await self._admitted(wanted, arguments, read)
            if self._program is not None:
                self._program.budget.reserve_cost(wanted.cost)
        except BudgetExceeded:
            raise
        except TreadleError as error:
            return self._failed(name, arguments, error)
        if not wanted.effect.repeatable:
            await self._intend(wanted, arguments)
        started = monotonic()
        inside = CallTaint(read, wanted)
        try:
            with set_for(current_taint, inside):
                output = await self._called(wanted, arguments)
        except BudgetExceeded:
            raise
        except TreadleError as error:
            self._take(wanted, inside, failed=True)
            return self._failed(name, arguments, error, wanted)
        self._take(wanted, inside, failed=False)
        self._learn(wanted, arguments, monotonic() - started)
        self._record(name, arguments, output, None, wanted)
        return output

    async def _called(self, tool: Tool, arguments: dict[str, Any]) -> JsonValue:
        """Make the call, again where it failed and its tool says so."""
        retry, attempt = tool.retry or ONCE, 1
        while True:
            try:
                return await self._caller.call(tool, arguments)
            except ToolError as error:
                again = error.retryable and attempt < retry.attempts and tool.effect.repeatable
                if not again:
                    raise
            attempt += 1
            await asyncio.sleep(retry.wait_before(attempt))
            if self._program is not None:
                self._program.budget.reserve_step(tool.cost)

    def _take(self, tool: Tool, inside: CallTaint, *, failed: bool) -> None:
        """The model is about to read what came back."""
        if tool.sanitizes and not failed:
            return
        self._taint.add(inside.gathered)
        if tool.gives_untrusted or (failed and tool.open_world):
            step_id = None if self._program is None else self._program.step_id
            self._taint.add([label_of(tool.name, step_id)])

    def _learn(self, tool: Tool, arguments: dict[str, JsonValue], seconds: float) -> None:
        if self._durations is not None:
            self._durations.observe(tool.name, seconds, call_pattern(arguments))

    async def _admitted(
        self, wanted: Tool, arguments: dict[str, Any], read: Labels
    ) -> dict[str, Any]:
        if not wanted.effect.repeatable:
            # What could never be a call is nothing to ask about, and no intent.
            wanted.signature.check(wanted.name, arguments)
        return await admitted(wanted, arguments, self._approve, self._program, read)

    async def _intend(self, wanted: Tool, arguments: dict[str, Any]) -> None:
        """Whatever happens from now on, it is known that the effect may have happened."""
        program = self._program
        if program is None:
            return
        event = ToolStarted(step_id=program.step_id, tool=wanted.name, arguments=Payload(arguments))
        loop = program.log.loop
        if loop is None or loop is asyncio.get_running_loop():
            await _kept(program.log, event)
        else:
            # The log belongs to the thread of the run's event loop.
            keeping = asyncio.run_coroutine_threadsafe(_kept(program.log, event), loop)
            await asyncio.wrap_future(keeping)

    def _failed(
        self, name: str, arguments: dict[str, Any], error: TreadleError, called: Tool | None = None
    ) -> TreadleError:
        self._record(name, arguments, None, ErrorInfo.of(error), called)
        return error

    def _record(
        self,
        name: str,
        arguments: dict[str, Any],
        output: JsonValue,
        failure: ErrorInfo | None,
        called: Tool | None,
    ) -> None:
        if self._program is None:
            return
        self._program.record(
            ToolCalled(
                step_id=self._program.step_id,
                tool=name,
                arguments=Payload(arguments),
                output=None if failure is not None else Payload(output),
                error=failure,
                taint=listed(self._taint.labels),
                cost=None if called is None else called.cost,
            )
        )


async def _kept(log: EventLog, event: ToolStarted) -> None:
    log.append(event)
    await log.durable()


def _shared_caller(program: Program | None) -> ToolCaller | None:
    """That of the run; None outside of any, and in a thread, whose loop it is no good for."""
    scope = current_scope()
    if scope is None or program is None:
        return None
    here = program.log.loop in (None, asyncio.get_running_loop())
    return scope.caller if here else ToolCaller(SystemClock())


def _shared_durations(program: Program | None) -> DurationSource | None:
    """That of the run; None outside of any, and in a thread, in which nobody may tell it."""
    scope = current_scope()
    if scope is None or program is None:
        return None
    return scope.durations if program.log.loop in (None, asyncio.get_running_loop()) else None


def _arguments(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise ToolError("invalid_arguments", f"'{call.name}': not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise ToolError("invalid_arguments", f"'{call.name}': the arguments must be an object")
    return arguments

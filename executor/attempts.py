"""One attempt at a tool: its inputs, the record that it began, the call itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf

from treadle.core.call_counts import CallCounts
from treadle.core.durations import DurationSource
from treadle.core.errors import ErrorInfo, ToolError
from treadle.core.events import StepStarted
from treadle.core.json_value import JsonValue
from treadle.core.program import Program, current_program
from treadle.executor.calling import ToolCaller
from treadle.executor.calls import RunningCalls
from treadle.executor.doubts import Doubts
from treadle.executor.graph import Graph
from treadle.executor.inputs import Inputs
from treadle.executor.node import Call, Node, State
from treadle.executor.outlook import StepOutlook
from treadle.executor.step_key import PATTERN_DIGITS, StepKey, input_hash
from treadle.executor.stored import keep, shown
from treadle.executor.waits import StepWaits
from treadle.tools import Tool
from treadle.tools.artifacts import ArtifactStore, Kept
from treadle.tools.tool import DEFAULT_TIMEOUT, timed_out


@dataclass(frozen=True, slots=True)
class Made:
    """What a call gave; `kept` stands for the output where that is large."""

    output: JsonValue
    kept: Kept


class Attempts:
    """Makes the calls of one run. Nothing here decides what follows from them.

    give: told of each item that a step gives before its end.
    """

    def __init__(
        self,
        program: Program,
        graph: Graph,
        inputs: Inputs,
        artifacts: ArtifactStore,
        durations: DurationSource,
        call_counts: CallCounts,
        doubts: Doubts,
        caller: ToolCaller,
        calls: RunningCalls,
        give: Callable[[Node, JsonValue], None],
    ) -> None:
        self._program = program
        self._log = program.log
        self._graph = graph
        self._inputs = inputs
        self._artifacts = artifacts
        self._durations = durations
        self._call_counts = call_counts
        self._doubts = doubts
        self._caller = caller
        self._calls = calls
        self._give = give

    def program_of(self, node: Node) -> Program:
        """The program as it looks from inside the step of `node`."""
        outlook = StepOutlook(node, self._graph, self._durations, self._call_counts)
        return self._program.for_step(node.step.id, outlook)

    async def make(self, call: Call) -> Made | None:
        """Make `call`; None where it turns out that a person must say what became of it.

        Raises TreadleError, and CancelledError; see `timed_out` where `call.timed_out`.
        """
        node = call.node
        repeatable = node.tool.effect.repeatable
        self._program.budget.reserve_step(node.tool.cost)
        arguments = self._inputs.arguments(node, call.index)
        node.state = State.RUNNING
        happened: JsonValue = None
        if node.past is not None and not repeatable:
            happened = await self._doubts.look(call, arguments)
            if node.in_doubt:
                node.state = State.HELD
                return None
        hashed: str | None = None
        if call.index is None or not repeatable:
            hashed = self._log_start(call, arguments)
        if happened is not None:
            return Made(happened, keep(self._artifacts, happened))
        key: str | None = None
        if not repeatable:
            # The intent is on the disk before the effect: whatever happens then, it is known
            # that it may have happened.
            await self._log.durable()
        if not repeatable or node.tool.signature.takes_key:
            key = str(StepKey(self._log.run_id, node.step.id, node.version, call.index))
        try:
            output = await self._called(call, node.tool, arguments, key, hashed)
        except StepWaits as waits:
            node.in_doubt, node.waits = True, ErrorInfo.of(waits, node.step.id)
            node.state = State.HELD
            return None
        return Made(output, keep(self._artifacts, output))

    async def _called(
        self,
        call: Call,
        tool: Tool,
        arguments: dict[str, JsonValue],
        key: str | None,
        hashed: str | None,
    ) -> JsonValue:
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline = started + _seconds(call)
        if not self._caller.is_plain(tool):
            self._calls.limit(call, deadline + self._caller.extra_seconds(tool))
            output = await self._caller.call(
                tool, arguments, timeout=call.node.step.timeout, idempotency_key=key
            )
        else:
            # Its deadline is among those of all calls: a timer of its own costs 5 us.
            self._calls.limit(call, deadline)
            take = partial(self._give, call.node) if self._is_stream(call) else None
            output = await tool.call(arguments, timeout=inf, idempotency_key=key, take=take)
        # The hash was made for the record; for this alone it would cost too much.
        pattern = "" if hashed is None else hashed[:PATTERN_DIGITS]
        self._durations.observe(tool.name, loop.time() - started, pattern)
        if tool.calls_model:
            self._count_calls(tool)
        return output

    def _count_calls(self, tool: Tool) -> None:
        program = current_program.get()
        outlook = None if program is None else program.outlook
        if isinstance(outlook, StepOutlook) and outlook.calls:
            self._call_counts.observe(tool.name, outlook.calls)

    @staticmethod
    def timed_out(call: Call) -> ToolError:
        """The failure of `call`, which was cancelled because its time was up."""
        return timed_out(call.node.tool.name, _seconds(call))

    @staticmethod
    def _is_stream(call: Call) -> bool:
        return call.index is None and call.node.tool.signature.streams

    def _log_start(self, call: Call, arguments: dict[str, JsonValue]) -> str | None:
        """Record that `call` begins; returns the hash of its arguments where that was made."""
        hashed = None if self._log.recorder is None else input_hash(arguments)
        self._log.append(
            StepStarted(
                step_id=call.node.step.id,
                attempt=call.attempt,
                arguments=shown(keep(self._artifacts, arguments)),
                index=call.index,
                version=call.node.version,
                input_hash=hashed,
                cost=call.node.tool.cost if call.index is None else None,
            ),
            # Nothing rests on it where the call can be repeated; where not, `durable` follows.
            soon=False,
        )
        return hashed


def _seconds(call: Call) -> float:
    return call.node.step.timeout or call.node.tool.timeout or DEFAULT_TIMEOUT

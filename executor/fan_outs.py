"""Steps that run once for each item of a list, or of a stream that is still coming."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from treadle.core.errors import ErrorInfo, ToolError
from treadle.core.event_log import EventLog
from treadle.core.events import StepProgress, StepStarted
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.core.taint import listed
from treadle.executor.graph import Graph, cancelled, error_value, is_over_budget
from treadle.executor.node import Call, FanOut, Node, State
from treadle.executor.ready import ReadyQueue
from treadle.executor.stored import keep, load, restored
from treadle.planner.step import OnFailure
from treadle.tools.artifacts import ArtifactStore, Kept


class EndStep(Protocol):
    """Gives a step its final state; see `Graph.end`."""

    def __call__(
        self,
        node: Node,
        state: State,
        *,
        output: Kept = None,
        error: ErrorInfo | None = None,
        fatal: bool = False,
    ) -> None: ...


class FanOuts:
    """The fan-outs of one run: which item is next, and when a step has had them all.

    width: items of one step that are under way at once. end: told when a step has ended.
    """

    def __init__(
        self,
        graph: Graph,
        log: EventLog,
        artifacts: ArtifactStore,
        ready: ReadyQueue,
        *,
        width: int,
        end: EndStep,
    ) -> None:
        self._graph = graph
        self._log = log
        self._artifacts = artifacts
        self._ready = ready
        self._width = width
        self._end_step = end

    def begin(self, node: Node, items: Sequence[JsonValue], *, more: bool = False) -> None:
        """Start `node` on `items`; with `more`, `add` brings further ones until `close`.

        Raises ToolError (`artifact_failed`) where an earlier result is not there any more.
        """
        node.state = State.RUNNING
        fan_out = node.fan_out = FanOut.of(list(items), more=more)
        # Another run of a stream may bring other items: what was made of the first ones is void.
        goes_on = node.past is not None and bool(node.past.items) and not more
        if goes_on:
            self._restore(node, fan_out)
        anew = not goes_on and node.tool.effect.repeatable
        self._log.append(StepStarted(step_id=node.step.id, version=node.version, anew=anew))
        self._go_on(node, fan_out)

    def add(self, node: Node, item: JsonValue) -> None:
        """Another item of the stream that `node` works on has come."""
        fan_out = node.fan_out
        assert fan_out is not None
        fan_out.add(item)
        self._go_on(node, fan_out)

    def close(self, node: Node) -> None:
        """The stream that `node` works on has ended: no items will come any more."""
        assert node.fan_out is not None
        node.fan_out.more = False
        self._go_on(node, node.fan_out)

    def succeeded(self, call: Call, output: JsonValue, payload: Payload) -> None:
        """An item has its result."""
        self._ended(call, output, payload, None)

    def failed(self, call: Call, error: ErrorInfo, *, fatal: bool) -> None:
        """An item has failed. fatal: whatever the step's policy says."""
        fan_out = call.node.fan_out
        assert fan_out is not None
        if call.node.step.on_failure is OnFailure.VALUE and not fatal:
            self._ended(call, error_value(error), None, error)
        else:
            fan_out.fail(error, fatal=fatal)
            self._ended(call, None, None, error)

    def let_go(self, node: Node) -> bool:
        """An item was cancelled or put off; whether it was the last of `node` under way."""
        assert node.fan_out is not None
        node.fan_out.running -= 1
        return not node.fan_out.running

    def _ended(
        self, call: Call, output: JsonValue, payload: Payload | None, error: ErrorInfo | None
    ) -> None:
        node, fan_out = call.node, call.node.fan_out
        assert fan_out is not None
        assert call.index is not None
        fan_out.give(call.index, output)
        self._log.append(
            StepProgress(
                step_id=node.step.id,
                done=fan_out.done,
                total=0 if fan_out.more else len(fan_out.items),
                index=call.index,
                output=payload,
                error=error,
                taint=listed(call.gathered) if call.gathered else (),
                cost=node.tool.cost,
            ),
            durable=not node.tool.effect.repeatable,
        )
        self._go_on(node, fan_out)

    def _go_on(self, node: Node, fan_out: FanOut) -> None:
        """Start what may start; end the step when there is nothing left."""
        if not self._graph.stopping:
            while fan_out.has_more and fan_out.running < self._width:
                self._ready.push(Call.next_of(node, fan_out.take()))
        if fan_out.running:
            return
        if fan_out.failure is not None:
            self._end_step(node, State.FAILED, error=fan_out.failure, fatal=fan_out.fatal)
        elif self._graph.stopping and fan_out.done < len(fan_out.items):
            self._end_step(node, State.CANCELLED, error=cancelled(node))
        elif not fan_out.more:
            self._end_with(node, fan_out.outputs)

    def _end_with(self, node: Node, outputs: list[JsonValue]) -> None:
        try:
            kept = keep(self._artifacts, outputs)
        except ToolError as error:
            self._end_step(node, State.FAILED, error=ErrorInfo.of(error, node.step.id))
        else:
            self._end_step(node, State.SUCCEEDED, output=kept)

    def _restore(self, node: Node, fan_out: FanOut) -> None:
        """What an earlier process has done of a fan-out is not done again.

        Nor is an item with effects that failed: it may have had its effect all the same.
        """
        assert node.past is not None
        ended: set[int] = set()
        for index, (output, error) in node.past.items.items():
            if output is not None:
                value = load(self._artifacts, restored(self._artifacts, output))
                fan_out.restore(index, value)
            elif error is not None and _stays_failed(node, error):
                fan_out.restore(index, error_value(error))
                if node.step.on_failure is not OnFailure.VALUE:
                    fan_out.fail(error, fatal=False)
            else:
                continue
            ended.add(index)
        fan_out.todo = deque(index for index in fan_out.todo if index not in ended)


def _stays_failed(node: Node, error: ErrorInfo) -> bool:
    return not node.tool.effect.repeatable and not is_over_budget(error)

"""Which failed calls are made again, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from treadle.core.errors import ErrorInfo, TreadleError
from treadle.core.event_log import EventLog
from treadle.core.events import StepRetrying
from treadle.executor.calls import RunningCalls
from treadle.executor.graph import Graph
from treadle.executor.node import Call, Node
from treadle.executor.ready import ReadyQueue
from treadle.tools.retry import ONCE, Retry


class Retries:
    """Puts failed calls off, and into `ready` again. pump: told when there is one."""

    def __init__(
        self,
        graph: Graph,
        log: EventLog,
        ready: ReadyQueue,
        calls: RunningCalls,
        pump: Callable[[], None],
    ) -> None:
        self._graph = graph
        self._log = log
        self._ready = ready
        self._calls = calls
        self._pump = pump

    def may(self, call: Call, error: TreadleError) -> bool:
        """Whether `call` is to be made again."""
        return (
            getattr(error, "retryable", False)
            and call.attempt - call.first + 1 < _retry_of(call.node).attempts
            and call.node.tool.effect.repeatable
            and call.node.streamed is None  # its first items are in use
            and not self._graph.stopping
        )

    def later(self, call: Call, error: ErrorInfo) -> None:
        """Make `call` again after the pause that its step asks for."""
        node, fan_out = call.node, call.node.fan_out
        delay = _retry_of(node).wait_before(call.attempt + 1)
        self._log.append(
            StepRetrying(
                step_id=node.step.id,
                attempt=call.attempt,
                delay=delay,
                error=error,
                index=call.index,
            )
        )

        async def wait() -> None:
            await asyncio.sleep(delay)
            if node.fan_out is fan_out:  # and it was not withdrawn meanwhile
                self._ready.push(Call(node, call.index, call.attempt + 1, call.first))
                self._pump()

        self._calls.start_timer(wait())


def _retry_of(node: Node) -> Retry:
    """What its step says; where that says nothing, what its tool does."""
    said = node.step.retry
    return said if said != ONCE or node.tool.retry is None else node.tool.retry

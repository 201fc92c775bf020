"""`ToolCaller`: calls tools the way they ask to be called."""

from __future__ import annotations

import hashlib
from collections.abc import Coroutine, Hashable, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from treadle.core.clock import Clock
from treadle.core.context_value import set_for
from treadle.core.errors import TreadleError
from treadle.core.json_value import JsonValue, canonical_json
from treadle.core.taint import CallTaint, current_taint, has_read
from treadle.executor.calling.circuit import Circuit, Verdict
from treadle.executor.calling.hedge import hedged
from treadle.executor.calling.rate import MOST_WAIT, RateGate
from treadle.executor.calling.result_cache import Frozen, ResultCache
from treadle.executor.calling.single_flight import SingleFlight
from treadle.executor.calling.tasks import GRACE, CallTasks
from treadle.tools.tool import DEFAULT_TIMEOUT, Tool


class ToolCaller:
    """Calls tools under the limits that they declare; one per Runtime, for all of its runs.

    In this order, each only where the tool declares it: a kept result, an identical call under
    way, the circuit breaker, the rate limit, a hedged call. It may be used from one event loop
    after another.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks = CallTasks()
        self._results = ResultCache(clock)
        self._flights: SingleFlight[Frozen] = SingleFlight(clock, self._tasks)
        self._circuits: WeakKeyDictionary[Tool, Circuit] = WeakKeyDictionary()
        self._gates: WeakKeyDictionary[Tool, RateGate] = WeakKeyDictionary()

    # A plain function: a tool that declares nothing pays for no coroutine of ours.
    def call(
        self,
        tool: Tool,
        arguments: Mapping[str, JsonValue],
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> Coroutine[Any, Any, JsonValue]:
        """Call `tool`, as `Tool.call` does, under its limits.

        timeout: seconds for the call itself; waiting for a turn does not count (see
            `extra_seconds`).

        Raises ToolError: what `Tool.call` raises; `circuit_open` while a tool that keeps failing
        is left alone; `rate_limited` where its turn would come in more than MOST_WAIT seconds.
        """
        if tool.cache is not None:
            return self._cached(tool, tool.cache, arguments, timeout)
        if self.is_plain(tool):
            return tool.call(arguments, timeout=timeout, idempotency_key=idempotency_key)
        return self._guarded(tool, arguments, timeout, idempotency_key)

    @staticmethod
    def is_plain(tool: Tool) -> bool:
        """Whether `tool` declares nothing, so that its calls are made as they are."""
        guards = (tool.cache, tool.circuit, tool.rate, tool.hedge)
        return not any(each is not None for each in guards)

    def extra_seconds(self, tool: Tool) -> float:
        """How much longer than its timeout a call of `tool` may take at most."""
        if self.is_plain(tool):
            return 0.0
        # What guards the call has to see it fail by itself, and to end what it started for it.
        return GRACE if tool.rate is None else MOST_WAIT + GRACE

    async def close(self) -> None:
        """Cancel what is still under way in this loop, and wait for it a bounded time."""
        await self._tasks.stop_all()

    async def _cached(
        self, tool: Tool, fresh: float, arguments: Mapping[str, JsonValue], timeout: float | None
    ) -> JsonValue:
        key = _identity(tool, arguments)
        if key is None:
            return await self._guarded(tool, arguments, timeout, None)
        kept = self._results.get(key)
        if kept is None:
            # Only calls that have equally long are identical.
            kept = await self._flights.share(
                (key, timeout),
                partial(self._shared, key, tool, fresh, arguments, timeout),
                self._longest(tool, timeout),
            )
        has_read(kept.labels)
        return kept.thaw()

    async def _shared(
        self,
        key: Hashable,
        tool: Tool,
        fresh: float,
        arguments: Mapping[str, JsonValue],
        timeout: float | None,
    ) -> Frozen:
        # What it reads by itself counts for everybody who gets the result.
        around = current_taint.get()
        inside = CallTaint(of=tool) if around is None else CallTaint(around.inputs, around.of)
        with set_for(current_taint, inside):
            value = await self._guarded(tool, arguments, timeout, None)
        result = Frozen.of(value, inside.gathered)
        self._results.keep(key, result, fresh)
        return result

    async def _guarded(
        self,
        tool: Tool,
        arguments: Mapping[str, JsonValue],
        timeout: float | None,
        idempotency_key: str | None,
    ) -> JsonValue:
        if tool.rate is not None or tool.circuit is not None:
            # What could never be a call takes nobody's turn, and `per` sees sound arguments.
            tool.signature.check(tool.name, arguments)
        circuit = self._circuit(tool)
        if circuit is not None:
            circuit.check()
        if tool.rate is not None:
            await self._gate(tool).wait(tool, arguments)
        if circuit is None:
            return await self._made(tool, arguments, timeout, idempotency_key)
        # Only now: the circuit may have changed meanwhile, and a probe is not held up in a queue.
        attempt = circuit.admit(self._longest(tool, timeout))
        try:
            result = await self._made(tool, arguments, timeout, idempotency_key)
            attempt.settle(Verdict.ANSWERED)
            return result
        except TreadleError as error:
            attempt.settle(Verdict.of(error))
            raise
        finally:
            attempt.release()

    def _made(
        self,
        tool: Tool,
        arguments: Mapping[str, JsonValue],
        timeout: float | None,
        idempotency_key: str | None,
    ) -> Coroutine[Any, Any, JsonValue]:
        seconds = timeout or tool.timeout or DEFAULT_TIMEOUT
        if tool.hedge is None or tool.hedge >= seconds:
            return tool.call(arguments, timeout=timeout, idempotency_key=idempotency_key)
        return hedged(
            lambda left: tool.call(arguments, timeout=left),
            after=tool.hedge,
            seconds=seconds,
            # The second call is one more for whoever set the limit; it does not queue for it.
            may_start=lambda: tool.rate is None or self._gate(tool).take(tool, arguments),
            clock=self._clock,
            tasks=self._tasks,
        )

    def _longest(self, tool: Tool, timeout: float | None) -> float:
        seconds = timeout or tool.timeout or DEFAULT_TIMEOUT
        return seconds + self.extra_seconds(tool) + GRACE

    def _circuit(self, tool: Tool) -> Circuit | None:
        if tool.circuit is None:
            return None
        found = self._circuits.get(tool)
        if found is None:
            found = self._circuits[tool] = Circuit(tool.name, tool.circuit, self._clock)
        return found

    def _gate(self, tool: Tool) -> RateGate:
        found = self._gates.get(tool)
        if found is None:
            assert tool.rate is not None
            found = self._gates[tool] = RateGate(tool.rate, self._clock)
        return found


def _identity(tool: Tool, arguments: Mapping[str, JsonValue]) -> Hashable | None:
    """What identical calls have in common; None for arguments that are no JSON."""
    try:
        # A digest, which is small whatever the arguments are, and which nobody can make collide.
        return tool, hashlib.sha256(canonical_json(dict(arguments))).digest()
    except (TypeError, ValueError, RecursionError):
        return None

"""The gate in an event loop: requests wait for their turn, and the clock moves on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import anyio

from treadle.core.clock import Clock
from treadle.serving.policy.contract import Call, Outcome
from treadle.serving.router.errors import RouterError
from treadle.serving.router.gate import ProgramGate
from treadle.serving.router.prefix import PrefixMark

# Policies may change their mind with time alone (a call that waits grows older).
_TICK_SECONDS = 0.5


class Dispatcher:
    """Wakes whoever waits for a place when the gate gives it one. For one event loop."""

    def __init__(
        self, gate: ProgramGate, clock: Clock, waited: Callable[[float], None] = lambda _: None
    ) -> None:
        """waited: is told of each call that is sent how many seconds it waited."""
        self.gate = gate
        self._clock = clock
        self._waited = waited
        self._turns: dict[str, asyncio.Future[str]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._soon = False

    async def place(
        self,
        call: Call,
        marks: Sequence[PrefixMark],
        only: frozenset[str] | None,
        seconds: float,
    ) -> str:
        """Wait until `call` may be sent; the name of the upstream that it goes to.

        Whoever gets it says later that it `finished`, `failed` or `aborted`.

        Raises RouterError: what `ProgramGate.submit` raises, `wait_timeout` after `seconds`, and
        `no_engine` when the last engine that may have it went down meanwhile.
        """
        self.gate.submit(call, self._clock.monotonic(), marks=marks, only=only)
        return await self._turn(call, seconds)

    async def place_again(self, call: Call, seconds: float) -> str | None:
        """As `place` for a call that its upstream failed; None where there is no other."""
        if not self.gate.failed(call.call_id, self._clock.monotonic()):
            self._advance_soon()
            return None
        return await self._turn(call, seconds)

    def answered(self, call: Call) -> None:
        """The first byte of the answer to a call came."""
        self.gate.answered(call.call_id, self._clock.monotonic())

    def finished(self, call: Call, outcome: Outcome) -> None:
        """A call was answered."""
        self.gate.finished(call.call_id, outcome, self._clock.monotonic())
        self._advance_soon()

    def aborted(self, call: Call) -> None:
        """A call is of no more use; nothing happens where it has ended already."""
        self.gate.aborted(call.call_id, self._clock.monotonic())
        self._advance_soon()

    def ended(self, program_id: str) -> tuple[str, ...]:
        """A program is over; the upstreams that had it."""
        names = self.gate.ended(program_id, self._clock.monotonic())
        self._advance_soon()
        return names

    def set_up(self, upstream: str, up: bool) -> None:
        """An upstream came or went; calls that have nowhere to go are refused."""
        for call in self.gate.set_up(upstream, up, self._clock.monotonic()):
            turn = self._turns.get(call.call_id)
            if turn is not None and not turn.done():
                turn.set_exception(
                    RouterError(
                        "no_engine",
                        "the last engine that may take this call went down",
                        status=503,
                        retry_after=5.0,
                    )
                )
        self._advance_soon()

    def resize(self, upstream: str, kv_tokens: int) -> None:
        """The upstream said how large its KV pool is."""
        self.gate.resize(upstream, kv_tokens)
        self._advance_soon()

    def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    async def _turn(self, call: Call, seconds: float) -> str:
        turn: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._turns[call.call_id] = turn
        began = self._clock.monotonic()
        try:
            self._advance_soon()
            with anyio.fail_after(seconds):
                name = await turn
        except TimeoutError:
            self.aborted(call)
            raise RouterError(
                "wait_timeout",
                f"no engine had a place for this call within {seconds:g} s",
                status=503,
                retry_after=self.gate.expected_wait(),
            ) from None
        except BaseException:
            self.aborted(call)
            raise
        finally:
            del self._turns[call.call_id]
        self._waited(self._clock.monotonic() - began)
        return name

    def _advance_soon(self) -> None:
        """Advance once for all that happens in this turn of the event loop."""
        if not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        """Send what can be sent, and come back when the gate has a reason to."""
        self._soon = False
        now = self._clock.monotonic()
        for call, upstream in self.gate.next(now):
            turn = self._turns.get(call.call_id)
            if turn is None or turn.done():
                # Its client went away in this very moment; whoever waited says so.
                continue
            turn.set_result(upstream)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.gate.waiting:
            wake = self.gate.wake_at(now)
            delay = _TICK_SECONDS if wake is None else min(_TICK_SECONDS, wake - now)
            self._timer = asyncio.get_running_loop().call_later(max(0.001, delay), self._advance)

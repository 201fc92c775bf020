"""Rate limits: at most so many calls start in so much time, first come, first served.

aiolimiter's bucket belongs to one event loop and to that loop's time, and lets through up to twice
its calls within one period; here the time is a Clock's, and no period sees more than was declared.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict, deque
from collections.abc import Mapping

from treadle.core.clock import Clock
from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.limits import RateLimit
from treadle.tools.tool import Tool

MOST_WAIT = 60.0
"""Seconds that a call waits for its turn; where it would take longer, it fails at once."""

MOST_KEYS = 1_000
"""What a tool's limit counts apart; what comes beyond that is counted together."""

_LONGEST_KEY = 200


class _Turns:
    """The calls that one count lets start, and those that wait for it."""

    def __init__(self, limit: RateLimit, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._starts: deque[float] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def idle(self) -> bool:
        """Whether a new count would say the same."""
        self._expire()
        return not self._starts and not self._line()

    def take(self) -> bool:
        """Start a call now, if that is possible without waiting or overtaking anybody."""
        if self._line() or self._delay(0) > 0:
            return False
        self._starts.append(self._clock.monotonic())
        return True

    async def wait(self, title: str) -> None:
        """Return when a call may start. Raises ToolError (`rate_limited`)."""
        if self.take():
            return
        waiting = self._line()
        self._refuse_beyond(MOST_WAIT, len(waiting), title)
        deadline = self._clock.monotonic() + MOST_WAIT
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            if waiting[0] is not turn:
                await turn
            # Only the first of the line looks at the clock; the others wait for its place.
            while (delay := self._delay(0)) > 0:
                self._refuse_beyond(deadline - self._clock.monotonic(), 0, title)
                await self._clock.sleep(delay)
            self._starts.append(self._clock.monotonic())
        finally:
            waiting.remove(turn)
            if waiting and not waiting[0].done():
                waiting[0].set_result(None)

    def _line(self) -> deque[asyncio.Future[None]]:
        """Those who wait in the running loop. Whoever waited in another one is left to it."""
        if self._waiting and self._waiting[0].get_loop() is not asyncio.get_running_loop():
            self._waiting = deque()
        return self._waiting

    def _delay(self, ahead: int) -> float:
        """Seconds until a call may start that has `ahead` others before it."""
        self._expire()
        later = ahead - (self._limit.calls - len(self._starts))
        if later < 0:
            return 0.0
        # The calls start as those of a period ago expire, in the same order, period by period.
        periods, place = divmod(later, self._limit.calls)
        now = self._clock.monotonic()
        first = self._starts[place] if place < len(self._starts) else now
        return first + (periods + 1) * self._limit.seconds - now

    def _expire(self) -> None:
        now = self._clock.monotonic()
        while self._starts and self._starts[0] + self._limit.seconds <= now:
            self._starts.popleft()

    def _refuse_beyond(self, seconds: float, ahead: int, title: str) -> None:
        delay = self._delay(ahead)
        if delay > seconds:
            raise ToolError(
                "rate_limited",
                f"{title} may be called {self._limit.calls} times in {self._limit.seconds:g} s, "
                f"and its next turn is only in {delay:.3g} s: call it then, or less often",
                retryable=True,
            )


class RateGate:
    """Holds back the calls of one tool, counted as its RateLimit says."""

    def __init__(self, limit: RateLimit, clock: Clock, most_keys: int = MOST_KEYS) -> None:
        self._limit = limit
        self._clock = clock
        self._most_keys = most_keys
        self._turns: OrderedDict[str, _Turns] = OrderedDict()
        self._others = _Turns(limit, clock)

    async def wait(self, tool: Tool, arguments: Mapping[str, JsonValue]) -> None:
        """Return when the call may start.

        Raises ToolError: `rate_limited` for a wait of more than MOST_WAIT seconds, `tool_failed`
        where the limit's `per` fails.
        """
        key = self._key(tool, arguments)
        title = f"'{tool.name}'" + (f" for '{key[:80]}'" if key else "")
        await self._turns_of(key).wait(title)

    def take(self, tool: Tool, arguments: Mapping[str, JsonValue]) -> bool:
        """Whether one more call may start at this very moment; it then counts."""
        return self._turns_of(self._key(tool, arguments)).take()

    def _turns_of(self, key: str) -> _Turns:
        found = self._turns.get(key)
        if found is None:
            while len(self._turns) >= self._most_keys:
                oldest = next(iter(self._turns))
                if not self._turns[oldest].idle:
                    # To forget one that counts would lift its limit: whoever invents keys gets
                    # less that way, never more.
                    return self._others
                del self._turns[oldest]
            found = self._turns[key] = _Turns(self._limit, self._clock)
        self._turns.move_to_end(key)
        return found

    def _key(self, tool: Tool, arguments: Mapping[str, JsonValue]) -> str:
        if self._limit.per is None:
            return ""
        try:
            key = self._limit.per(arguments)
        except Exception as error:
            raise ToolError(
                "tool_failed",
                f"'{tool.name}': `per` of its rate limit raised {type(error).__name__}: {error}",
            ) from error
        if not isinstance(key, str):
            raise ToolError(
                "tool_failed", f"'{tool.name}': `per` of its rate limit gave {key!r:.80}, no text"
            )
        if len(key) <= _LONGEST_KEY:
            return key
        return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

"""A clock that moves when a test says so."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class FakeClock:
    """A `Clock` whose time stands still until `advance`.

    start: what `now` says first, in seconds since 1970; `monotonic` starts at 0.
    """

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._order = count()
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._fell_asleep = asyncio.Event()

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Seconds that were advanced so far."""
        return self._elapsed

    def jump(self, seconds: float) -> None:
        """Set the time of day by `seconds`, back or forth, as a person or a time server does.

        Nobody wakes up: sleeping and `monotonic` do not know the time of day.
        """
        self._start += seconds

    @property
    def sleepers(self) -> int:
        """How many calls of `sleep` are waiting."""
        return sum(not future.done() for _, _, future in self._sleeping)

    async def sleep(self, seconds: float) -> None:
        """Return once `advance` has moved the time by `seconds`; at once for 0 or less."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self._elapsed + seconds, next(self._order), future))
        self._fell_asleep.set()
        await future

    def advance(self, seconds: float) -> None:
        """Move the time and wake, in order, every sleeper whose time has come.

        The woken run when the caller next awaits. Raises ValueError for a negative number.
        """
        if not seconds >= 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._elapsed += seconds
        while self._sleeping and self._sleeping[0][0] <= self._elapsed:
            _, _, future = heapq.heappop(self._sleeping)
            if not future.done():
                future.set_result(None)

    async def wait_for_sleepers(self, number: int = 1) -> None:
        """Return once at least `number` calls of `sleep` are waiting."""
        while self.sleepers < number:
            self._fell_asleep.clear()
            await self._fell_asleep.wait()

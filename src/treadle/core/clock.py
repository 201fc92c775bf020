"""Time as an argument, so that tests never sleep and runs replay."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. `treadle.testing.FakeClock` is the one for tests."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back. For durations and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def iso_time(timestamp: float) -> str:
    """`timestamp` (seconds since 1970) in ISO 8601, UTC, microseconds."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="microseconds")

"""Reading what a sandboxed process writes, up to a limit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

PART_BYTES = 65_536


class OutputReader:
    """Reads a pipe into a bounded buffer; calls `overflow` once when there is more."""

    def __init__(self, descriptor: int, limit: int, overflow: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._overflow = overflow
        self._content = bytearray()
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self.truncated = False
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            part = os.read(self._descriptor, PART_BYTES)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            self.stop()
            return
        free = self._limit - len(self._content)
        self._content += part[:free]
        if len(part) > free and not self.truncated:
            self.truncated = True
            self._overflow()

    async def rest(self, seconds: float) -> None:
        """Until its end, once everything that could write to it is gone."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended
        except TimeoutError:
            self.truncated = True
        finally:
            self.stop()

    def stop(self) -> None:
        """Read no more."""
        self._loop.remove_reader(self._descriptor)
        if not self._ended.done():
            self._ended.set_result(None)

    @property
    def text(self) -> str:
        """What was read; bytes that are not UTF-8 are replaced."""
        return self._content.decode("utf-8", "replace")

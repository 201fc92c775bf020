"""How long one task may go on making calls that never wait."""

from __future__ import annotations

import asyncio

SECONDS = 0.002
"""Then the loop gets its turn, however many calls are left: others live in it as well."""


class Turn:
    """One turn of the event loop, in which this was made."""

    __slots__ = ("_loop", "_until", "over")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + SECONDS
        self.over = False
        """Whether the loop has turned since: whoever ran then and still runs has waited."""
        self._loop.call_soon(self._end)

    def goes_on(self) -> bool:
        """Whether there is time for another call in it."""
        return not self.over and self._loop.time() < self._until

    def _end(self) -> None:
        self.over = True

"""Work that is repeated only as often as its cost allows."""

from __future__ import annotations

import math


class Pacing:
    """Says when something that was done is due again, so that it takes a bounded share of time.

    share: of the time, at most. most: seconds after which it is due in any case.
    """

    def __init__(self, share: float = 0.02, most: float = 0.25) -> None:
        self._share = share
        self._most = most
        self._last = -math.inf
        self._pause = 0.0

    def done(self, began: float, ended: float) -> None:
        """It was done, from `began` to `ended`."""
        self._last = ended
        self._pause = (ended - began) / self._share

    def affordable(self, now: float) -> bool:
        """Whether doing it now keeps to the share."""
        return now - self._last >= self._pause

    def overdue(self, now: float) -> bool:
        """Whether it is so long ago that it should be done, changes or not."""
        return now - self._last >= max(self._pause, self._most)

    def reset(self) -> None:
        """Due at once."""
        self._last = -math.inf

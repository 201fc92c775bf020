"""The tool durations that were seen, and the pin that they make worth most."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque


class GapHistory:
    """An empirical distribution function of the last durations of a tool.

    most: how many are kept. The candidates for the best pin are computed anew when 1% of what
    they were computed from has changed: exactly, below 100 durations.
    """

    def __init__(self, most: int = 1_000) -> None:
        self._most = most
        self._order: deque[float] = deque()
        self._sorted: list[float] = []
        self._hull: list[tuple[float, float]] = []
        self._changed = 0

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, seconds: float) -> None:
        """A tool took `seconds`."""
        self._order.append(seconds)
        insort(self._sorted, seconds)
        if len(self._order) > self._most:
            self._sorted.pop(bisect_left(self._sorted, self._order.popleft()))
        self._changed += 1

    def best(self, benefit: float) -> float | None:
        """The tau that makes P(tau) * benefit - tau largest; None where no pin is worth it.

        It is 0 where tools that take no time at all make it worth to pin for this moment only.

        Enumerating all durations finds a corner of the upper hull of (tau, P): only those are
        looked at.
        """
        if self._changed > len(self._sorted) / 100:
            self._hull = _upper_hull(self._sorted)
            self._changed = 0
        best, most = None, 0.0
        for seconds, share in self._hull:
            value = share * benefit - seconds
            if value > most:
                best, most = seconds, value
        return best


def _upper_hull(durations: list[float]) -> list[tuple[float, float]]:
    """The corners of the least concave function above the distribution of sorted `durations`."""
    count = len(durations)
    hull: list[tuple[float, float]] = []
    for index, seconds in enumerate(durations, start=1):
        if index < count and durations[index] == seconds:
            continue
        point = (seconds, index / count)
        while len(hull) >= 2 and not _turns_right(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _turns_right(
    first: tuple[float, float], second: tuple[float, float], third: tuple[float, float]
) -> bool:
    left = (second[0] - first[0]) * (third[1] - second[1])
    right = (second[1] - first[1]) * (third[0] - second[0])
    return left < right

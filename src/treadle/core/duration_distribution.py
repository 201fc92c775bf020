"""The distribution of a duration, as probabilities of ranges of equal ratio."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

SHORTEST = 1e-3
"""What is shorter is in the first range, in which all durations are equally probable; seconds."""

LONGEST = 1e4
"""What is longer is in the last range, whose tail is Pareto's with exponent 1; seconds."""

_PER_DECADE = 24
_RATIO = _PER_DECADE / math.log(10)
_INNER = round(_PER_DECADE * math.log10(LONGEST / SHORTEST))
RANGES = _INNER + 2
"""How many ranges there are: neighbours differ by 10%, less than any tool varies."""

_EDGES = (0.0, *(SHORTEST * 10 ** (each / _PER_DECADE) for each in range(_INNER + 1)))


def range_of(seconds: float) -> int:
    """The range that `seconds` is in."""
    if seconds <= SHORTEST:
        return 0
    if seconds >= LONGEST:
        return RANGES - 1
    return min(1 + int(math.log(seconds / SHORTEST) * _RATIO), _INNER)


@dataclass(frozen=True, slots=True)
class DurationDistribution:
    """How probable durations are.

    below: the probability that a duration is below the beginning of each range; one more than
        there are ranges: it begins with 0 and ends with 1.
    """

    below: tuple[float, ...]

    @staticmethod
    def through(points: Iterable[tuple[float, float]]) -> DurationDistribution:
        """One with these quantiles, logarithmic in between.

        points: pairs of seconds and probability, ascending; all are above SHORTEST.
        """
        known = [(SHORTEST, 0.0), *points, (LONGEST, 1.0)]
        below = [0.0]
        for edge in _EDGES[1:]:
            at = min(max(bisect_left(known, (edge, 2.0)), 1), len(known) - 1)
            (start, low), (end, high) = known[at - 1], known[at]
            share = math.log(edge / start) / math.log(end / start)
            below.append(low + (high - low) * min(max(share, 0.0), 1.0))
        # Never quite certain: the tail has a weight, however little.
        return DurationDistribution((*(each * (1 - 1e-6) for each in below), 1.0))

    def mixed(self, counts: Mapping[int, float], weight: float) -> DurationDistribution:
        """This, taken for `weight` observations, together with `counts` of the ranges."""
        whole = weight + sum(counts.values())
        if whole <= 0.0 or not counts:
            return self
        seen = accumulate((counts.get(each, 0.0) for each in range(RANGES)), initial=0.0)
        scale = 1.0 / whole
        below = [
            (weight * before + now) * scale for before, now in zip(self.below, seen, strict=True)
        ]
        below[-1] = 1.0
        return DurationDistribution(tuple(below))

    @staticmethod
    def longest_of(each: Sequence[DurationDistribution]) -> DurationDistribution:
        """That of the longest of several that are independent; at least one."""
        if len(each) == 1:
            return each[0]
        columns = zip(*(one.below for one in each), strict=True)
        return DurationDistribution(tuple(math.prod(column) for column in columns))

    def probability(self, at: int) -> float:
        """That of the range `at`."""
        return self.below[at + 1] - self.below[at]

    def survival(self, seconds: float, elapsed: float = 0.0) -> float:
        """The probability that it lasts longer than `seconds`, given that it did than `elapsed`."""
        if seconds <= elapsed:
            return 1.0
        left = self._above(elapsed)
        # Mass in the tail is tiny but there, unless a float cannot tell it from none.
        return min(self._above(seconds) / left, 1.0) if left > 0.0 else elapsed / seconds

    def quantile(self, probability: float, elapsed: float = 0.0) -> float:
        """The seconds that it does not exceed with `probability`, given that it did `elapsed`."""
        left = self._above(elapsed) if elapsed > 0.0 else 1.0
        above = (1.0 - min(max(probability, 0.0), 1.0)) * left
        if above <= 0.0:
            return math.inf
        at = min(max(bisect_left(self.below, 1.0 - above), 1), RANGES) - 1
        return max(self._within(at, above), elapsed)

    def _above(self, seconds: float) -> float:
        at = range_of(seconds)
        low, high = 1.0 - self.below[at], 1.0 - self.below[at + 1]
        if at == RANGES - 1:
            return low * LONGEST / max(seconds, LONGEST)
        if at == 0:
            share = max(seconds, 0.0) / SHORTEST
        else:
            share = math.log(seconds / SHORTEST) * _RATIO - (at - 1)
        return low + (high - low) * min(max(share, 0.0), 1.0)

    def _within(self, at: int, above: float) -> float:
        """Where in the range `at` the probability of what is longer falls to `above`."""
        low, high = 1.0 - self.below[at], 1.0 - self.below[at + 1]
        if at == RANGES - 1:
            return max(LONGEST * low / above, LONGEST)
        share = (low - above) / (low - high) if low > high else 1.0
        share = min(max(share, 0.0), 1.0)
        if at == 0:
            return SHORTEST * share
        return SHORTEST * math.exp((at - 1 + share) / _RATIO)

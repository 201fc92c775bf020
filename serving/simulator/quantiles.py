"""Distributions that are given by a few of their quantiles."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence


class QuantileTable:
    """Values by probability, logarithmic in between.

    points: pairs of probability and value, ascending, from probability 0 to 1; values above 0.
    """

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        self._probabilities = [probability for probability, _ in points]
        self._logarithms = [math.log(value) for _, value in points]

    def at(self, probability: float) -> float:
        """The value that is not exceeded with `probability`."""
        known = self._probabilities
        index = min(max(bisect_right(known, probability), 1), len(known) - 1)
        share = (probability - known[index - 1]) / (known[index] - known[index - 1])
        start, end = self._logarithms[index - 1], self._logarithms[index]
        return math.exp(start + share * (end - start))


def quantile(ordered: Sequence[float], probability: float) -> float:
    """That of a sorted sample, linear between its values; 0 of an empty one."""
    if not ordered:
        return 0.0
    place = probability * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])

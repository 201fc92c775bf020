"""Whether programs that have come far are near their end."""

from __future__ import annotations

import math


class Memoryfulness:
    """eta = -Corr(k, N - k) over the calls of the programs that have ended (arXiv 2511.02230,
    section 4.1): k calls of a program served, N - k still to come.

    1 where all programs have the same number of calls, 0 where what has been served says nothing.
    """

    def __init__(self) -> None:
        self._count = 0
        self._served = 0.0
        self._left = 0.0
        self._served_squares = 0.0
        self._left_squares = 0.0
        self._products = 0.0

    def add(self, calls: int) -> None:
        """A program ended after so many calls."""
        for served in range(1, calls + 1):
            left = calls - served
            self._count += 1
            self._served += served
            self._left += left
            self._served_squares += served * served
            self._left_squares += left * left
            self._products += served * left

    @property
    def eta(self) -> float:
        """1 as long as nothing is known, as the paper assumes."""
        count = self._count
        if count < 2:
            return 1.0
        covariance = self._products - self._served * self._left / count
        served = self._served_squares - self._served**2 / count
        left = self._left_squares - self._left**2 / count
        if served <= 0.0 or left <= 0.0:
            return 1.0
        return -covariance / math.sqrt(served * left)

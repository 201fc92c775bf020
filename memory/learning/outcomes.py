"""How well something has done, out of how often it worked and how often it did not."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEAST_MEAN = 0.6
"""What is used again without a planner works more often than not, by this much at least."""

LEAST_BOUND = 0.35
"""And it is known well enough: one success says little, one success and one failure nothing."""

_RETIRED_BELOW = 0.5


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Successes and failures: a Beta(1 + successes, 1 + failures) distribution of the chance that
    it works, from the uniform prior.
    """

    successes: float = 0.0
    failures: float = 0.0

    @property
    def mean(self) -> float:
        """The chance that it works: the mean of the posterior, between 0 and 1."""
        return (1 + self.successes) / (2 + self.successes + self.failures)

    @property
    def deviation(self) -> float:
        """How far off the mean may be: the standard deviation of the posterior."""
        count = 2 + self.successes + self.failures
        return math.sqrt(self.mean * (1 - self.mean) / (count + 1))

    @property
    def bound(self) -> float:
        """The mean less one deviation: what has been tried often stands above what has not."""
        return self.mean - self.deviation

    @property
    def good(self) -> bool:
        """Whether it may be used again as it is."""
        return self.mean >= LEAST_MEAN and self.bound >= LEAST_BOUND

    @property
    def bad(self) -> bool:
        """Whether it is to be retired: even one deviation up it fails as often as not."""
        return self.mean + self.deviation < _RETIRED_BELOW

    def after(self, worked: bool) -> Outcomes:
        """The same with one more outcome."""
        return Outcomes(self.successes + worked, self.failures + (not worked))


UNTRIED = Outcomes()

"""What was seen of one tool, one family of tools or one pattern of calls."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from treadle.core.duration_distribution import DurationDistribution

# Gaps between the model calls of 111 coding agents (AgentCgroup, arXiv 2602.09345).
PRIOR = DurationDistribution.through([(0.04, 0.5), (9.5, 0.9), (20.0, 0.99), (308.0, 0.9999)])
"""What is expected before anything was seen."""

_RECENT = 0.2
"""What the latest call weighs in the moving mean."""

_KEPT = 0.99
"""What an older comparison weighs, from one to the next."""

_LEAST = 1e-12

_STALE = 0.02
"""The share of new observations from which on a distribution is made anew."""


@dataclass(slots=True, eq=False)
class DurationLevel:
    """Counts of durations by range, on top of what is known of the parent.

    parent: what is known where nothing was seen here; None for PRIOR.
    weight: the observations that the parent's distribution counts for.
    capacity: where more have been seen, all so far count half: what changes is learned anew.
    logarithm: a moving mean of the logarithms of the seconds, for whoever wants one number.
    gain: how much better the levels below foretell what they have seen than this one does: a sum
        of differences of log probabilities in which what is old counts less.
    """

    parent: DurationLevel | None
    weight: float
    capacity: float
    counts: dict[int, float] = field(default_factory=dict)
    total: float = 0.0
    logarithm: float | None = None
    gain: float = 0.0
    _new: float = 0.0
    _above: DurationDistribution | None = None
    _known: DurationDistribution | None = None

    def add(self, at: int) -> None:
        """A duration in the range `at` was seen."""
        self.counts[at] = self.counts.get(at, 0.0) + 1.0
        self.total += 1.0
        self._new += 1.0
        if self.total > self.capacity:
            self.counts = {each: count / 2 for each, count in self.counts.items() if count > 0.25}
            self.total = sum(self.counts.values())

    def probability(self, at: int) -> float:
        """That of the range `at`, from all that was seen so far."""
        parent = self.parent
        above = PRIOR.probability(at) if parent is None else parent.probability(at)
        return (self.counts.get(at, 0.0) + self.weight * above) / (self.total + self.weight)

    def compare(self, at: int) -> None:
        """Before a duration in the range `at` is added: which foretold it better, this or above?"""
        if self.parent is None or not self.total:
            return
        better = math.log(
            max(self.probability(at), _LEAST) / max(self.parent.probability(at), _LEAST)
        )
        self.parent.gain = _KEPT * self.parent.gain + better

    def average(self, logarithm: float) -> None:
        """Move the mean towards what was seen last."""
        mean = self.logarithm
        self.logarithm = logarithm if mean is None else mean + _RECENT * (logarithm - mean)

    def distribution(self) -> DurationDistribution:
        """What is known; kept until enough was seen here or above to change it."""
        above = PRIOR if self.parent is None else self.parent.distribution()
        if self._known is None or self._above is not above or self._new > _STALE * self.total:
            self._above, self._new = above, 0.0
            self._known = above.mixed(self.counts, self.weight)
        return self._known

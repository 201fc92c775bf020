"""Whether it pays to hold the KV of a program that is away, running its tools."""

from __future__ import annotations

import math

from treadle.core.durations import ToolDurations
from treadle.serving.policy.branches import Branch
from treadle.serving.policy.contract import Pool
from treadle.serving.policy.rates import MeasuredRates

WORTH_HOLDING = 0.5
"""A hold pays while the program is more likely than not to be back within the break-even time."""

WORTH_PREFETCHING = 0.8
"""Bringing back is dearer than going on to hold: the load may delay others, and what it brings
takes room that others' cached KV has."""

_SHORTEST_BREAK_EVEN = 10.0
"""Seconds. Where a measured rate says less, without a slower tier, the pool is small or the steps
are too short to measure: what is held there is hardly missed, and the hit is worth more."""

_FRESH = 0.2
"""Seconds for which a chance that was worked out is good enough."""


class Retention:
    """Holds KV while what it is expected to save exceeds what it is expected to cost.

    `c` tokens held for `t` seconds take the share `c / capacity` of the pool away from others;
    they save `c / rate` seconds of the engine, where rate is that of what would bring them back:
    prefill, or a load from the CPU tier. So both are equal after `capacity / rate` seconds,
    whatever `c` is: the break-even time. (397,000 tokens at 20,000 to 28,000 a second: 14 to 20 s;
    with a CPU tier about one.) How long tools take is learned as a distribution per tool and
    pattern; the longer one has taken already, the longer it will take, for the tails are heavy.

    longest: seconds after which a hold ends in any case.
    sigma: how far off the durations are that senders of hints expect, on a logarithmic scale.
    """

    def __init__(
        self, durations: ToolDurations, rates: MeasuredRates, *, longest: float, sigma: float
    ) -> None:
        self._durations = durations
        self._rates = rates
        self._longest = longest
        self._sigma = sigma

    def break_even_seconds(self, pool: Pool) -> float:
        """How long holding may take until it has cost what it saves."""
        seconds = pool.capacity / self._rates.recovery_rate(pool.reload_rate)
        return seconds if pool.reload_rate is not None else max(_SHORTEST_BREAK_EVEN, seconds)

    def until(self, now: float) -> float:
        """When a hold that begins now ends, if nobody needs its room before."""
        return now + self._longest

    def chance(self, branch: Branch, pool: Pool, now: float) -> float:
        """The probability that the branch, which is away, is back within the break-even time."""
        if branch.judged_at < branch.paused or not 0 <= now - branch.judged_at < _FRESH:
            elapsed = now - branch.paused
            branch.chance = self._chance(branch, self.break_even_seconds(pool), elapsed)
            branch.judged_at = now
        return branch.chance

    def _chance(self, branch: Branch, break_even: float, elapsed: float) -> float:
        told = [use.expected_seconds for use in branch.tools if use.expected_seconds is not None]
        if told:
            before = _survival(elapsed, max(told), self._sigma)
            # Where it has lasted so long that nobody expected it, nobody knows.
            return (
                1.0 - _survival(elapsed + break_even, max(told), self._sigma) / before
                if before
                else 0.0
            )
        tools = [(use.tool, use.pattern) for use in branch.tools] or [("", "")]
        return 1.0 - self._durations.gap_survival(tools, elapsed + break_even, elapsed)

    def came_back(self, branch: Branch, now: float) -> None:
        """Learn from how long the branch was away."""
        # Where there were several tools, the gap does not tell whose it was.
        if len(branch.tools) == 1:
            use = branch.tools[0]
            self._durations.observe(use.tool, max(0.0, now - branch.paused), use.pattern)


def _survival(seconds: float, expected: float, sigma: float) -> float:
    """The probability that what is expected to take `expected` takes longer than `seconds`."""
    if seconds <= 0:
        return 1.0
    off = math.log(seconds / max(expected, 1e-3)) / sigma
    return 0.5 * math.erfc(off / math.sqrt(2))

"""Whether it pays to hold the KV of a program that is away, running its tools."""

from __future__ import annotations

import math

from treadle.core.durations import ToolDurations
from treadle.serving.policy.branches import Branch
from treadle.serving.policy.contract import Pool
from treadle.serving.policy.rates import MeasuredRates

WORTH_HOLDING = 0.5
"""A hold pays while the program is more likely than not to be back within the break-even time."""

_FRESH = 0.2
"""Seconds for which a chance that was worked out is good enough."""

_SIGMA = 1.0
"""How far off an expected duration is, as the sigma of a lognormal: tools have heavy tails."""


class Retention:
    """Holds KV while what it is expected to save exceeds what it is expected to cost.

    `c` tokens held for `t` seconds take the share `c / capacity` of the pool away from others;
    they save `c / rate` seconds of the engine, where rate is that of what would bring them back:
    prefill, or a load from the CPU tier. So both are equal after `capacity / rate` seconds,
    whatever `c` is: the break-even time. (397,000 tokens at 20,000 to 28,000 a second: 14 to 20 s;
    with a CPU tier about one.) How long tools take is learned as a distribution per tool and
    pattern; the longer one has taken already, the longer it will take, for the tails are heavy.

    longest: seconds after which a hold ends in any case.
    """

    def __init__(self, durations: ToolDurations, rates: MeasuredRates, longest: float) -> None:
        self._durations = durations
        self._rates = rates
        self._longest = longest
        self._chances: dict[int, tuple[float, float, float]] = {}

    def break_even_seconds(self, pool: Pool) -> float:
        """How long holding may take until it has cost what it saves."""
        return pool.capacity / max(1.0, pool.reload_rate or self._rates.prefill_rate)

    def until(self, now: float) -> float:
        """When a hold that begins now ends, if nobody needs its room before."""
        return now + self._longest

    def chance(self, branch: Branch, pool: Pool, now: float) -> float:
        """The probability that the branch, which is away, is back within the break-even time."""
        known = self._chances.get(id(branch))
        if known is not None and known[0] == branch.paused and 0 <= now - known[1] < _FRESH:
            return known[2]
        if len(self._chances) > 4096:
            self._chances.clear()
        chance = self._chance(branch, self.break_even_seconds(pool), now - branch.paused)
        self._chances[id(branch)] = (branch.paused, now, chance)
        return chance

    def _chance(self, branch: Branch, break_even: float, elapsed: float) -> float:
        told = [use.expected_seconds for use in branch.tools if use.expected_seconds is not None]
        if told:
            before = _survival(elapsed, max(told))
            # Where it has lasted so long that nobody expected it, nobody knows.
            return 1.0 - _survival(elapsed + break_even, max(told)) / before if before else 0.0
        tools = [(use.tool, use.pattern) for use in branch.tools] or [("", "")]
        return 1.0 - self._durations.gap_survival(tools, elapsed + break_even, elapsed)

    def came_back(self, branch: Branch, now: float) -> None:
        """Learn from how long the branch was away."""
        # Where there were several tools, the gap does not tell whose it was.
        if len(branch.tools) == 1:
            use = branch.tools[0]
            self._durations.observe(use.tool, max(0.0, now - branch.paused), use.pattern)


def _survival(seconds: float, expected: float) -> float:
    """The probability that what is expected to take `expected` takes longer than `seconds`."""
    if seconds <= 0:
        return 1.0
    off = math.log(seconds / max(expected, 1e-3)) / _SIGMA
    return 0.5 * math.erfc(off / math.sqrt(2))

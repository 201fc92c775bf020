"""Which program's turn it is."""

from __future__ import annotations

from treadle.serving.policy.contract import Call
from treadle.serving.policy.rates import MeasuredRates

_SPREAD = 0.6
"""Of the lengths of programs, as the sigma of a lognormal (45 turns at the median, 92 at the 90th
percentile: AgentCgroup, arXiv 2602.09345)."""


class ProgramOrder:
    """Programs go in the order in which they would end if each had been served since it arrived.

    Nobody's time is known: without an estimate all are expected to make as many calls, which is
    the order of arrival. With one, short programs overtake those that arrived a little before
    them, but never those that have waited for longer than the difference: so the slowest do not pay
    for the mean. Bounded overtaking is what keeps the 99th percentile down (shortest first alone
    gains 3% more on average and costs 40% at the 95th percentile).
    """

    def __init__(self, rates: MeasuredRates, sigma: float) -> None:
        """sigma: how far off estimates of the calls to come are, on a logarithmic scale."""
        self._rates = rates
        # The best linear estimate of a logarithm that is seen with noise.
        self._trust = _SPREAD**2 / (_SPREAD**2 + sigma**2)

    def score(self, call: Call, arrived: float) -> float:
        """When the program would end, less what a usual one takes; smaller goes first.

        arrived: when its first call did.
        """
        rates = self._rates
        usual = calls = rates.calls
        remaining = call.remaining_calls
        if remaining is None and call.remaining_seconds is not None:
            remaining = call.remaining_seconds / max(rates.turn_seconds, 1e-3)
        if remaining is not None:
            calls = calls ** (1 - self._trust) * max(remaining, 0.5) ** self._trust
        # Against what is usual: what was learned in between must not move those that wait.
        score = arrived + (calls - usual) * rates.turn_seconds
        if call.deadline is not None:
            # Its slack: the latest time to begin what is left.
            left = call.remaining_seconds
            due = call.deadline - (calls * rates.turn_seconds if left is None else left)
            score = min(score, due)
        return score

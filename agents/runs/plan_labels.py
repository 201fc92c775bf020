"""Which labels the plans carry that a Runtime has made without running them."""

from __future__ import annotations

from treadle.core.taint import CLEAN, Labels
from treadle.planner.plan import Plan

MOST_PLANS = 256
"""Plans that are remembered; the oldest is forgotten first."""


class PlanLabels:
    """The labels of whoever wrote a plan, by the plan's hash, for when it is handed in again.

    A plan is a value that says nothing of its author; another Runtime, or another process, is told
    by the history that is handed in with it.
    """

    def __init__(self) -> None:
        self._labels: dict[str, Labels] = {}

    def keep(self, plan: Plan, labels: Labels) -> None:
        """The author of `plan` has read what carries `labels`."""
        known = self._labels.pop(plan.hash, CLEAN) | labels
        if not known:
            return
        self._labels[plan.hash] = known
        while len(self._labels) > MOST_PLANS:
            del self._labels[next(iter(self._labels))]

    def of(self, plan: Plan) -> Labels:
        """What is known of the author of `plan`."""
        return self._labels.get(plan.hash, CLEAN)

"""Fair shares between tenants, by virtual time.

Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996) on tokens: a tenant's virtual time
advances by what it used divided by its weight, and who is far ahead of the others waits. Who
comes back after a pause starts where the others are, so that nobody saves up. Within `quantum`
tokens nobody is held back: there the order of the policy, which knows what is cached, counts for
more than exact shares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

_REMEMBERED = 1_000


class FairShares:
    """The virtual times of the tenants that have calls waiting or running."""

    def __init__(self, quantum: float, weights: Mapping[str, float] | None = None) -> None:
        if quantum <= 0 or any(weight <= 0 for weight in (weights or {}).values()):
            raise ValueError("the quantum and all weights are positive")
        self._quantum = quantum
        self._weights = dict(weights or {})
        self._times: dict[str, float] = {}
        self._active: Counter[str] = Counter()

    def joined(self, tenant: str) -> None:
        """A call of `tenant` came in."""
        if not self._active[tenant]:
            others = [self._times[each] for each in self._active if self._active[each]]
            self._times[tenant] = max(self._times.get(tenant, 0.0), min(others, default=0.0))
        self._active[tenant] += 1
        if len(self._times) > _REMEMBERED:
            self._forget()

    def left(self, tenant: str) -> None:
        """A call of `tenant` is over, however it ended."""
        self._active[tenant] -= 1
        if self._active[tenant] > 0:
            return
        del self._active[tenant]
        if not self._active:
            # Nobody competes with anybody: the account is settled.
            self._times.clear()

    def charge(self, tenant: str, tokens: float) -> None:
        """`tenant` used `tokens`; negative to give back what was charged too much."""
        self._times[tenant] = self._times.get(tenant, 0.0) + tokens / self._weights.get(tenant, 1.0)

    @property
    def competing(self) -> bool:
        """Whether more than one tenant has calls here."""
        return len(self._active) > 1

    def lag(self, tenant: str) -> int:
        """How many quanta `tenant` is ahead of the tenant that got least; 0 for nearly equal."""
        if len(self._active) < 2:
            return 0
        least = min(self._times[each] for each in self._active)
        return int((self._times.get(tenant, 0.0) - least) / self._quantum)

    def _forget(self) -> None:
        """Drop those who are gone and would start where the others are anyway."""
        least = min(self._times[each] for each in self._active)
        for tenant in [each for each in self._times if each not in self._active]:
            if self._times[tenant] <= least:
                del self._times[tenant]

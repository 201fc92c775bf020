"""Which tools have been used together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence


class CoUse:
    """Counts, over past plans, of tools and of pairs of tools; by name."""

    def __init__(self) -> None:
        self._plans: Counter[str] = Counter()
        self._beside: dict[str, Counter[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._beside)

    def observe(self, tools: Sequence[str]) -> None:
        """Count one plan."""
        used = dict.fromkeys(tools)
        for name in used:
            self._plans[name] += 1
            beside = self._beside.setdefault(name, Counter())
            beside.update(other for other in used if other != name)

    def beside(self, name: str) -> Mapping[str, float]:
        """How likely each tool is in a plan that has `name`; once may have been chance."""
        plans = self._plans[name]
        together = self._beside.get(name)
        if together is None:
            return {}
        return {other: (n - 1) / plans for other, n in together.items() if n > 1}

    def forget(self, name: str) -> None:
        """Drop what is known of `name`."""
        self._plans.pop(name, None)
        for other in self._beside.pop(name, {}):
            del self._beside[other][name]

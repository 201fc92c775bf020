"""How long calls take: what is expected before, what was seen after."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

DEFAULT_SECONDS = 1.0
"""Expected of a tool that was never seen."""


class DurationSource(Protocol):
    """Expected durations, by tool."""

    def expected_seconds(self, tool: str) -> float:
        """How long a call of `tool` is expected to take."""
        ...

    def observe(self, tool: str, seconds: float) -> None:
        """A call of `tool` took `seconds`."""
        ...


class DurationHistory:
    """Learns in memory: a moving average of the logarithm, because durations have heavy tails."""

    _WEIGHT = 0.2

    def __init__(self) -> None:
        self._logarithms: dict[str, float] = {}

    def expected_seconds(self, tool: str) -> float:
        logarithm = self._logarithms.get(tool)
        return DEFAULT_SECONDS if logarithm is None else math.exp(logarithm)

    def seed(self, seen: Iterable[tuple[str, float]]) -> None:
        """Take over what was seen before, the latest last; what is known already is known better.

        seen: tools, and the seconds that a call of them took.
        """
        before = DurationHistory()
        for tool, seconds in seen:
            before.observe(tool, seconds)
        self._logarithms = {**before._logarithms, **self._logarithms}

    def observe(self, tool: str, seconds: float) -> None:
        seen = math.log(max(seconds, 1e-6))
        before = self._logarithms.get(tool, seen)
        self._logarithms[tool] = before + self._WEIGHT * (seen - before)

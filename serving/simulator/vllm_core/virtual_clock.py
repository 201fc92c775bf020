"""The time that a simulated engine's scheduler reads."""

from __future__ import annotations


class VirtualClock:
    """Called, it says what time it is; `now` sets it."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

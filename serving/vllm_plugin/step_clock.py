"""How long the engine's steps take, seen from the scheduler."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """Tokens prefilled and decoded in a step, the KV that it reads, and how long it took."""

    prefill_tokens: int
    decode_tokens: int
    context_tokens: int
    seconds: float


class StepClock:
    """Pairs what was scheduled with the moment its output came back.

    Where steps overlap (asynchronous scheduling) a step counts from the end of the one before it,
    so that the sum of the steps is the time that passed.
    """

    def __init__(self) -> None:
        self._open: deque[tuple[object, float, tuple[int, int, int]]] = deque(maxlen=64)
        self._ended = 0.0

    def began(self, output: object, now: float, prefill: int, decode: int, context: int) -> None:
        """The step described by `output` was scheduled, at `now`."""
        self._open.append((output, now, (prefill, decode, context)))

    def ended(self, output: object, now: float) -> Step | None:
        """Its output came back; None for a step that is not known. Earlier ones are forgotten."""
        if not any(each[0] is output for each in self._open):
            return None
        while True:
            known, began, sizes = self._open.popleft()
            if known is output:
                break
        seconds = now - max(began, self._ended)
        self._ended = now
        return Step(*sizes, seconds)

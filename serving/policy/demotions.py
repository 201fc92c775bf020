"""The branches whose KV is in a slower tier only, and when to ask about each of them again."""

from __future__ import annotations

import heapq
import math
from itertools import count
from typing import Generic, TypeVar

from treadle.serving.policy.contract import BranchKey

LOOK_AGAIN = 0.5
"""Seconds: after which it is asked again what was answered with no."""

Context = TypeVar("Context")


class Demotions(Generic[Context]):
    """What an engine keeps to ask a policy `prefetch` at the times that the policy says.

    With each branch goes what the engine has to know of its context to load it.

    most: how many branches at once; the one that was added first is dropped for another.
    """

    def __init__(self, most: int = 1_000) -> None:
        self._most = most
        self._entries: dict[BranchKey, tuple[int, Context]] = {}
        self._queue: list[tuple[float, int, BranchKey]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def next(self) -> float:
        """When to ask next; infinity for not at all."""
        while self._queue:
            at, number, key = self._queue[0]
            entry = self._entries.get(key)
            if entry is not None and entry[0] == number:
                return at
            heapq.heappop(self._queue)
        return math.inf

    def add(self, key: BranchKey, context: Context, at: float) -> None:
        """Ask about it at `at`, and not when it was said before; infinity: not at all."""
        self._entries.pop(key, None)
        if at == math.inf:
            return
        if len(self._entries) >= self._most:
            del self._entries[next(iter(self._entries))]
        number = next(self._numbers)
        self._entries[key] = (number, context)
        heapq.heappush(self._queue, (at, number, key))

    def remove(self, key: BranchKey) -> None:
        """It is back; nothing where it was not there."""
        self._entries.pop(key, None)

    def remove_program(self, program_id: str) -> None:
        """The program is over: nothing of it is to come back, whatever a policy would say."""
        for key in [each for each in self._entries if each[0] == program_id]:
            del self._entries[key]

    def due(self, now: float) -> list[tuple[BranchKey, Context]]:
        """The branches to ask about now, which are taken out."""
        found: list[tuple[BranchKey, Context]] = []
        while self.next <= now:
            _, _, key = heapq.heappop(self._queue)
            found.append((key, self._entries.pop(key)[1]))
        return found

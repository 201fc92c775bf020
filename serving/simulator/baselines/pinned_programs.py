"""Pins and the order of programs, which policies that hold KV between calls have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from treadle.serving.policy.contract import Call, Hold, Outcome, Pool, Rank
from treadle.serving.policy.stock import StockPolicy

_ROUNDING = 1e-6
"""Seconds that do not count: sums of times are not exact, and tools take as long as they did."""


class PinnedPrograms(StockPolicy):
    """Preempted calls first, then those whose KV is pinned, then the program that came first.

    A pin that has run out stays as long as the next call of its program waits, as in Continuum's
    code. The engine is asked to hold without end, therefore, and what has run out is let go when
    room is needed: until then it makes no difference.
    """

    def __init__(self) -> None:
        self._first: dict[str, float] = {}
        self._until: dict[str, float] = {}
        self._waiting: dict[str, int] = {}
        self._preempted: set[str] = set()

    def pin_seconds(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float | None:
        """For how long the KV of `call`, which has ended and is not the last, is pinned.

        None for not at all; a tool that takes exactly as long finds its program's KV, 0 included.
        """
        raise NotImplementedError

    def arrived(self, call: Call, now: float) -> None:
        program = call.program_id
        self._first.setdefault(program, now)
        self._expire(program, now)
        self._waiting[program] = self._waiting.get(program, 0) + 1

    def rank(self, call: Call, now: float) -> Rank:
        preempted = call.call_id in self._preempted
        pinned = call.program_id in self._until
        first = self._first.get(call.program_id, call.arrived)
        return (float(not preempted), float(not pinned), first, call.arrived)

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        """What has run out; when nothing else makes room, also the program that came last."""
        over = [hold for hold in holds if self._is_over(hold.program_id, now)]
        over.sort(key=lambda hold: self._until.get(hold.program_id, -math.inf))
        if must:
            rest = [hold for hold in holds if hold not in over]
            rest.sort(key=lambda hold: -self._first.get(hold.program_id, 0.0))
            over += _enough(rest, tokens - sum(hold.tokens for hold in over))
        for hold in over:
            self._until.pop(hold.program_id, None)
        return over

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        self._preempted.discard(call.call_id)
        self._until.pop(call.program_id, None)
        self._left(call)

    def preempted(self, call: Call, now: float) -> None:
        self._preempted.add(call.call_id)
        self._waiting[call.program_id] = self._waiting.get(call.program_id, 0) + 1

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        if outcome.last:
            return now
        seconds = self.pin_seconds(call, outcome, pool, now)
        if seconds is None:
            return now
        self._until[call.program_id] = now + seconds
        return math.inf

    def aborted(self, call: Call, now: float) -> None:
        self._preempted.discard(call.call_id)
        self._left(call)

    def ended(self, program_id: str, now: float) -> None:
        self._first.pop(program_id, None)
        self._until.pop(program_id, None)
        self._waiting.pop(program_id, None)

    def _left(self, call: Call) -> None:
        """`call` no longer waits."""
        left = self._waiting.get(call.program_id, 0) - 1
        if left > 0:
            self._waiting[call.program_id] = left
        else:
            self._waiting.pop(call.program_id, None)

    def _expire(self, program: str, now: float) -> None:
        if self._until.get(program, math.inf) + _ROUNDING < now:
            del self._until[program]

    def _is_over(self, program: str, now: float) -> bool:
        until = self._until.get(program, -math.inf)
        return until + _ROUNDING < now and program not in self._waiting


def _enough(holds: Iterable[Hold], tokens: int) -> list[Hold]:
    """As many of `holds`, in their order, as make up `tokens`."""
    chosen = []
    for hold in holds:
        if tokens <= 0:
            break
        chosen.append(hold)
        tokens -= hold.tokens
    return chosen

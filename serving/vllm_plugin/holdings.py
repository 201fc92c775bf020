"""The holds of an engine with their counts: what begins them and what ends them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from treadle.serving.policy.contract import BranchKey
from treadle.serving.vllm_plugin.engine_types import Block
from treadle.serving.vllm_plugin.idle_waker import IdleWaker
from treadle.serving.vllm_plugin.pins import Groups, HeldContext, Pin, PinTable

ReleaseReason: TypeAlias = Literal[
    "expiries", "pressure_releases", "program_releases", "reset_releases"
]


class Holdings:
    """Begins and ends holds, and counts them under the names of `ProgramCounters`.

    pins: the table behind it. waker: told when the next hold runs out; None where nobody sleeps.
    why_not: why KV of this engine cannot be held; "" where it can.
    lost: told of holds that ended, or never began, although the policy did not say so.
    demoted: told of holds that ended although what they held will be needed.
    next_prefetch: when to look again at what may be brought back; the waker is told of that too.

    `changes` goes up whenever something may fit that did not.
    """

    def __init__(
        self,
        pins: PinTable,
        waker: IdleWaker | None,
        why_not: str,
        lost: Callable[[BranchKey], None],
        demoted: Callable[[Pin], None] = lambda _: None,
        next_prefetch: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self.pins = pins
        self._lost = lost
        self._demoted = demoted
        self._next_prefetch = next_prefetch
        self.changes = 0
        self.tally: Counter[str] = Counter()
        self._waker = waker
        self.why_not = why_not

    def begin(
        self, key: BranchKey, groups: Groups, now: float, until: float, origin: HeldContext
    ) -> None:
        """Hold these blocks from now on."""
        if self.why_not:
            self.tally["refused_pins"] += 1
            self._lost(key)
            return
        pin = self.pins.pin(key, groups, now, until, origin)
        if self.pins.was_truncated:
            self.tally["truncated_pins"] += 1
        if pin is None:
            self._lost(key)
            return
        self.tally["pins"] += 1
        self._changed()

    def take_over(self, key: BranchKey, groups: Sequence[Sequence[Block]]) -> None:
        """The next call of a branch has its blocks, `groups`: what was held for it has done its
        work. Where calls of the branch ran side by side, the others' holds stay for the others."""
        pins = self.pins.of_branch(key)
        if not pins:
            return
        own = {each.block_id for group in groups for each in group}
        matching = [
            sum(each.block_id in own for group in pin.groups for each in group) for pin in pins
        ]
        best = max(range(len(pins)), key=matching.__getitem__)
        self.tally["pin_hits" if matching[best] else "pin_misses"] += 1
        self.tally["prefetch_hits"] += pins[best].origin.prefetched and matching[best] > 0
        self.pins.release(pins[best])
        self._changed()

    def end(self, pins: Sequence[Pin], why: ReleaseReason, *, forced: bool = False) -> int:
        """Let go of them; returns how many blocks became free. forced: nobody had chosen them."""
        if not pins:
            return 0
        freed = sum(self.pins.release(pin) for pin in pins)
        self.tally[why] += len(pins)
        self._changed()
        if forced or why in ("expiries", "reset_releases"):
            for pin in pins:
                self._lost(pin.key)
        if why in ("expiries", "pressure_releases"):
            for pin in pins:
                self._demoted(pin)
            self.wake_in_time()
        return freed

    def expire(self, now: float, awaited: Callable[[BranchKey], bool]) -> bool:
        """Let go of what has run out; whether there was anything.

        What a call waits for already (`awaited`) stays: that is what it was held for. While calls
        wait the valve is at hand, and a call that is aborted waits no more.
        """
        due = [pin for pin in self.pins.due(now) if not awaited(pin.key)]
        self.end(due, "expiries")
        return bool(due)

    def close(self) -> None:
        """The engine shuts down."""
        if self._waker is not None:
            self._waker.close()

    def wake_in_time(self) -> None:
        """See that an engine that sleeps wakes up when something is due here."""
        if self._waker is not None:
            self._waker.set(min(self.pins.deadline, self._next_prefetch()))

    def _changed(self) -> None:
        self.changes += 1
        self.wake_in_time()

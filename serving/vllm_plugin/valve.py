"""Makes room for a call that finds none while KV is held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from treadle.serving.policy.contract import BranchKey, Call, Hold, Pool, SchedulingPolicy
from treadle.serving.vllm_plugin.holdings import Holdings
from treadle.serving.vllm_plugin.program_table import ProgramTable

Blocks = TypeVar("Blocks")

ROUNDS = 3
"""How often the policy is asked again where what it let go was not enough: what a hold frees is
not known before, for others may share its blocks."""


class PressureValve:
    """Lets go of holds until a call has its blocks, or has to wait."""

    def __init__(
        self, policy: SchedulingPolicy, holdings: Holdings, programs: ProgramTable
    ) -> None:
        self._policy = policy
        self._holdings = holdings
        self._programs = programs

    def open(
        self,
        call: Call,
        missing: Callable[[], int],
        pool: Callable[[], Pool],
        now: float,
        *,
        must: bool,
        allocate: Callable[[], Blocks | None],
    ) -> Blocks | None:
        """What `allocate` returns once there is room; None where `call` has to wait.

        missing: tokens that are lacking now. pool: as it is now. must: it may not wait. Then all
        holds are let go one by one if need be, so that a call never fails here that would have
        started without them.
        """
        key = (call.program_id, call.branch)
        for _ in range(ROUNDS):
            others = [pin.hold for pin in self._holdings.pins if pin.key != key]
            if not others:
                break
            answer = self._policy.release(call, missing(), others, pool(), now, must=must)
            if not self._let_go(answer):
                break
            blocks = allocate()
            if blocks is not None:
                return blocks
        return self._force(key, allocate) if must else None

    def _let_go(self, holds: Sequence[Hold]) -> bool:
        # A policy may name a hold twice, or one that is gone.
        found = dict.fromkeys(map(self._holdings.pins.find, holds))
        pins = [pin for pin in found if pin is not None]
        self._holdings.end(pins, "pressure_releases")
        return bool(pins)

    def _force(self, key: BranchKey, allocate: Callable[[], Blocks | None]) -> Blocks | None:
        """The youngest program gives way first, and the call's own old context last."""
        since = self._programs.since
        pins = sorted(
            self._holdings.pins, key=lambda pin: (pin.key == key, -since(pin.hold.program_id))
        )
        for pin in pins:
            self._holdings.end((pin,), "pressure_releases", forced=True)
            blocks = allocate()
            if blocks is not None:
                return blocks
        return None

"""The policy's answers to the waiting queue's questions about requests."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from treadle.serving.policy.contract import Rank
from treadle.serving.vllm_plugin.engine_types import EngineRequest
from treadle.serving.vllm_plugin.program_desk import ProgramDesk

IDLE_PATIENCE = 10.0
"""Seconds that an engine may do nothing, for the sake of programs that are held, although calls
wait. A policy that admits them sooner is asked again and again meanwhile."""


@dataclass(frozen=True, slots=True)
class PolicyOrder:
    """Asks the desk's policy; see `WaitingOrder`.

    by_priority: vLLM's priorities come first, and the policy orders what has the same.
    running: how many requests run.
    """

    desk: ProgramDesk
    by_priority: bool
    running: Callable[[], int]

    def rank(self, request: EngineRequest) -> Rank:
        """Its place; smaller is earlier."""
        desk = self.desk
        rank = desk.policy.rank(desk.calls[request.request_id].call, desk.now)
        return (float(request.priority), *rank) if self.by_priority else rank

    def admits(self, request: EngineRequest) -> bool:
        """Whether it may start now."""
        desk = self.desk
        return desk.policy.admits(desk.calls[request.request_id].call, desk.pool(), desk.now)

    def idle(self) -> bool:
        """Whether nothing runs or is about to, so that something has to start.

        While something is held its program is about to come back; but not for ever.
        """
        desk = self.desk
        if self.running() or desk.calls.loading:
            return False
        newest = max((pin.hold.since for pin in desk.holdings.pins), default=-math.inf)
        return desk.now - newest >= IDLE_PATIENCE

    def changes(self) -> int:
        """A number that differs when what was refused may be admitted by now."""
        return self.desk.holdings.changes

"""The policy's answers to the waiting queue's questions about requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from treadle.serving.policy.contract import Rank
from treadle.serving.vllm_plugin.engine_types import EngineRequest
from treadle.serving.vllm_plugin.program_desk import ProgramDesk


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
        """Whether nothing runs or is about to, so that something has to start."""
        return self.running() == 0 and self.desk.calls.loading == 0

    def changes(self) -> int:
        """A number that differs when what was refused may be admitted by now."""
        return self.desk.holdings.changes

"""A policy that learns how calls ended from the simulation, not from what requests say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from treadle.serving.policy.contract import Call, Hold, Outcome, Pool, Rank, SchedulingPolicy
from treadle.serving.simulator.engine import Request


class InformedPolicy:
    """Hands everything on to `policy`, with all tools of a turn in the outcome.

    A hint names one tool; a turn may have several, and the other engines of the simulator tell
    a policy all of them. Without this a comparison would be one of hints.
    """

    def __init__(self, policy: SchedulingPolicy) -> None:
        self._policy = policy
        self._requests: dict[str, Request] = {}

    @property
    def name(self) -> str:
        return self._policy.name

    def expect(self, request: Request) -> None:
        """`request` is about to arrive."""
        self._requests[request.call.call_id] = request

    def arrived(self, call: Call, now: float) -> None:
        self._policy.arrived(call, now)

    def rank(self, call: Call, now: float) -> Rank:
        return self._policy.rank(call, now)

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        return self._policy.admits(call, pool, now)

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        return self._policy.release(call, tokens, holds, pool, now, must=must)

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        self._policy.started(call, cached_tokens, now)

    def preempted(self, call: Call, now: float) -> None:
        self._policy.preempted(call, now)

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        request = self._requests.pop(call.call_id)
        outcome = replace(outcome, tools=request.tools, last=request.last)
        return self._policy.finished(call, outcome, pool, now)

    def aborted(self, call: Call, now: float) -> None:
        self._requests.pop(call.call_id, None)
        self._policy.aborted(call, now)

    def lost(self, program_id: str, branch: str, now: float) -> None:
        self._policy.lost(program_id, branch, now)

    def ended(self, program_id: str, now: float) -> None:
        self._policy.ended(program_id, now)

    def prefetch(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        return self._policy.prefetch(program_id, branch, pool, now)

    def prefetched(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        return self._policy.prefetched(program_id, branch, pool, now)

    def stepped(
        self, prefill_tokens: int, decode_tokens: int, context_tokens: int, seconds: float
    ) -> None:
        self._policy.stepped(prefill_tokens, decode_tokens, context_tokens, seconds)

"""A policy around another one that checks what the engine promises."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.serving.policy.contract import Call, Hold, Outcome, Pool, Rank, SchedulingPolicy


class Auditor:
    """Fails when calls come out of turn, or more KV is in use than there is."""

    def __init__(self, inner: SchedulingPolicy) -> None:
        self._inner = inner
        self.name = inner.name
        self.states: dict[str, str] = {}
        self.first_arrivals: dict[str, float] = {}
        self.found: dict[str, int] = {}
        self._now = 0.0

    def _at(self, now: float) -> None:
        assert now >= self._now
        self._now = now

    def _goes(self, call: Call, before: tuple[str, ...], after: str) -> None:
        assert self.states.get(call.call_id, "new") in before
        self.states[call.call_id] = after

    @staticmethod
    def _check(pool: Pool) -> None:
        assert pool.running >= 0
        assert pool.held >= 0
        assert pool.running + pool.held <= pool.capacity

    def arrived(self, call: Call, now: float) -> None:
        self._at(now)
        self._goes(call, ("new",), "waiting")
        self.first_arrivals.setdefault(call.program_id, call.arrived)
        self._inner.arrived(call, now)

    def rank(self, call: Call, now: float) -> Rank:
        return self._inner.rank(call, now)

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        self._check(pool)
        return self._inner.admits(call, pool, now)

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        self._check(pool)
        assert tokens > 0
        assert all(hold.program_id != call.program_id for hold in holds)
        return self._inner.release(call, tokens, holds, pool, now, must=must)

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        self._at(now)
        self._goes(call, ("waiting",), "running")
        assert cached_tokens >= 0
        self.found[call.call_id] = cached_tokens
        self._inner.started(call, cached_tokens, now)

    def preempted(self, call: Call, now: float) -> None:
        self._goes(call, ("running",), "waiting")
        self._inner.preempted(call, now)

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        self._goes(call, ("running",), "finished")
        self._check(pool)
        return self._inner.finished(call, outcome, pool, now)

    def aborted(self, call: Call, now: float) -> None:
        raise AssertionError("no call of a simulation is aborted")

    def lost(self, program_id: str, branch: str, now: float) -> None:
        self._inner.lost(program_id, branch, now)

    def ended(self, program_id: str, now: float) -> None:
        self._inner.ended(program_id, now)

    def prefetch(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        self._check(pool)
        return self._inner.prefetch(program_id, branch, pool, now)

    def prefetched(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        return self._inner.prefetched(program_id, branch, pool, now)

    def stepped(
        self, prefill_tokens: int, decode_tokens: int, context_tokens: int, seconds: float
    ) -> None:
        assert prefill_tokens + decode_tokens > 0
        assert seconds > 0.0
        self._inner.stepped(prefill_tokens, decode_tokens, context_tokens, seconds)

"""Autellix: the program that was served least comes first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from treadle.serving.policy.contract import Call, Outcome, Pool, Rank
from treadle.serving.policy.stock import StockPolicy


@dataclass(slots=True)
class _Attained:
    served: float = 0.0
    waited: float = 0.0
    since_boost: float = 0.0


class AutellixPolicy(StockPolicy):
    """Program-level attained service: calls of the program whose calls ran least come first.

    After PLAS in Autellix (arXiv 2502.13965, section 4.2): a call's priority is the time that the
    completed calls of its program ran, in queues whose bounds grow by a factor of two; first come,
    first served within a queue; a program that has waited `beta` times as long as it was served
    goes to the first queue. KV is not held.

    Where ours may differ from the authors' code: the paper gives neither the bounds of its queues
    nor beta (ours: from 1 s on, doubling; 5), a call that runs is not preempted for one with
    priority, and there is one engine, so that its load balancer has nothing to do.
    """

    name = "autellix"

    def __init__(self, first_bound: float = 1.0, beta: float = 5.0) -> None:
        self._first_bound = first_bound
        self._beta = beta
        self._programs: dict[str, _Attained] = {}
        self._waits: dict[str, float] = {}
        self._runs: dict[str, float] = {}

    def arrived(self, call: Call, now: float) -> None:
        self._programs.setdefault(call.program_id, _Attained())
        self._waits[call.call_id] = now

    def rank(self, call: Call, now: float) -> Rank:
        attained = self._programs[call.program_id]
        waited = attained.waited + now - self._waits.get(call.call_id, now)
        if waited > self._beta * max(attained.since_boost, self._first_bound):
            return (0.0, call.arrived)
        return (self._queue(attained.served), call.arrived)

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        attained = self._programs[call.program_id]
        attained.waited += now - self._waits.pop(call.call_id, now)
        if attained.waited > self._beta * max(attained.since_boost, self._first_bound):
            attained.waited = attained.since_boost = 0.0
        self._runs[call.call_id] = now

    def preempted(self, call: Call, now: float) -> None:
        self._ran(call, now)
        self._waits[call.call_id] = now

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        self._ran(call, now)
        return now

    def aborted(self, call: Call, now: float) -> None:
        self._ran(call, now)
        self._waits.pop(call.call_id, None)

    def ended(self, program_id: str, now: float) -> None:
        self._programs.pop(program_id, None)

    def _ran(self, call: Call, now: float) -> None:
        seconds = now - self._runs.pop(call.call_id, now)
        attained = self._programs[call.program_id]
        attained.served += seconds
        attained.since_boost += seconds

    def _queue(self, served: float) -> float:
        if served < self._first_bound:
            return 0.0
        return 1.0 + math.floor(math.log2(served / self._first_bound))

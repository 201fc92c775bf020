"""Continuum: a pin as long as the durations seen make it worth."""

from __future__ import annotations

import math
from collections import deque

from treadle.serving.policy.contract import Call, Outcome, Pool
from treadle.serving.simulator.baselines.costs import return_seconds
from treadle.serving.simulator.baselines.gap_history import GapHistory
from treadle.serving.simulator.baselines.memoryfulness import Memoryfulness
from treadle.serving.simulator.baselines.pinned_programs import PinnedPrograms
from treadle.serving.simulator.hardware import Hardware

_RELIABLE = 100
"""Durations from which on a distribution is relied on (K of section 4.2)."""

_WINDOW = 100
"""Queueing delays that are averaged."""


class ContinuumPolicy(PinnedPrograms):
    """tau* = argmax P(tau, f) (T eta + reload) - tau, and programs in the order they came.

    After Continuum (arXiv 2511.02230, sections 4 and 5): P is the empirical distribution of the
    durations of tool f, learned online; T the average queueing delay of calls that find no
    pinned KV; eta the memoryfulness of programs; reload the time to prefill the context, from a
    profile, or to load it where there is a CPU tier. With at most 100 durations of f, those of
    all tools are taken; with at most 100 of those, an exponential distribution with mean 1 s and
    eta = 1, which makes tau* = ln(T + reload).

    Where ours may differ from the authors' code: T includes what first calls of programs waited
    (the paper speaks of previous requests in one place and of evicted ones in another; with them
    it does better here); it is averaged over the last 100 of them, and 1,000 durations of a tool
    are kept (the paper gives no numbers); several tools that run at once count as a tool of their
    own; pins are let go before their time only when no call runs and none can start, or in place
    of a preemption, the program that came last first (section 5.2 calls it prevention of
    deadlocks; letting go of them whenever a call finds no room does much worse here).
    """

    name = "continuum"

    def __init__(self, hardware: Hardware) -> None:
        super().__init__()
        self._hardware = hardware
        self._all = GapHistory()
        self._tools: dict[str, GapHistory] = {}
        self._delays: deque[float] = deque(maxlen=_WINDOW)
        self._memory = Memoryfulness()
        self._served: dict[str, int] = {}
        self._paused: dict[str, tuple[str, float]] = {}

    def arrived(self, call: Call, now: float) -> None:
        super().arrived(call, now)
        paused = self._paused.pop(call.program_id, None)
        if paused is not None:
            tool, since = paused
            self._all.add(now - since)
            self._tools.setdefault(tool, GapHistory()).add(now - since)

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        if call.call_id not in self._preempted and call.program_id not in self._until:
            self._delays.append(now - call.arrived)
        super().started(call, cached_tokens, now)

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        program = call.program_id
        self._served[program] = self._served.get(program, 0) + 1
        if not outcome.last:
            self._paused[program] = (_tool(outcome), now)
        return super().finished(call, outcome, pool, now)

    def ended(self, program_id: str, now: float) -> None:
        super().ended(program_id, now)
        self._paused.pop(program_id, None)
        calls = self._served.pop(program_id, 0)
        if calls:
            self._memory.add(calls)

    def pin_seconds(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float | None:
        delay = sum(self._delays) / len(self._delays) if self._delays else 0.0
        reload = return_seconds(self._hardware, outcome.context_tokens)
        if len(self._all) <= _RELIABLE:
            return math.log(delay + reload) if delay + reload > 1.0 else None
        known = self._tools.get(_tool(outcome), self._all)
        history = known if len(known) > _RELIABLE else self._all
        return history.best(delay * self._memory.eta + reload)


def _tool(outcome: Outcome) -> str:
    return "+".join(sorted({use.tool for use in outcome.tools}))

"""What no policy can do better than, and what none can that keeps to vLLM's order."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

from treadle.serving.policy.contract import Call, Outcome, Pool
from treadle.serving.policy.stock import StockPolicy
from treadle.serving.simulator.fast_engine import FastEngine
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.programs import AgentProgram
from treadle.serving.simulator.simulation import Load, simulate


@dataclass(frozen=True, slots=True)
class Bounds:
    """jct_mean: seconds; the mean completion time of programs that have the engine to themselves
        and find all their KV. No policy is faster on this hardware.
    recomputed_prefill_tokens: the least that can be recomputed by whoever serves calls in the
        order in which `vllm` does. A policy that serves them in another order may recompute less.
    """

    jct_mean: float
    recomputed_prefill_tokens: float


def contention_free_seconds(
    programs: Sequence[AgentProgram], hardware: Hardware
) -> tuple[float, ...]:
    """How long programs take with the engine to themselves and a pool without end."""
    alone = replace(hardware, pool_tokens=2**62, cpu_tokens=0)
    engine = FastEngine(alone, StockPolicy())
    simulation = simulate(programs, engine, Load(concurrency=1), block_tokens=hardware.block_tokens)
    return simulation.completion_seconds


def least_recomputed(
    programs: Sequence[AgentProgram], hardware: Hardware, load: Load, seed: int
) -> int:
    """The recomputed tokens of Belady's eviction (1966) along the calls as `vllm` starts them.

    The whole pool is taken for a cache, and with a CPU tier that as well: a call needs its KV at
    one moment only, so that a bound comes out whatever else runs then. What is needed last is
    evicted, by whole programs or parts of one, and of what a call leaves only that is kept which
    the next one of its program can use.
    """
    recorder = _Recorder(hardware.block_tokens)
    engine = FastEngine(hardware, recorder)
    simulate(programs, engine, load, seed=seed, block_tokens=hardware.block_tokens)
    return belady_misses(recorder.accesses, hardware.pool_tokens + hardware.cpu_tokens)


@dataclass(frozen=True, slots=True)
class Access:
    """A call of `program` starts, which could find `tokens` of its prompt in a cache."""

    program: str
    tokens: int


def belady_misses(accesses: Sequence[Access], capacity: int) -> int:
    """How many tokens a cache of `capacity` cannot have, evicting what is needed last."""
    following = _following(accesses)
    cached: dict[str, tuple[int, int]] = {}  # when it is needed, and how much there is
    farthest: list[tuple[int, str]] = []
    total = misses = 0
    for index, access in enumerate(accesses):
        _, there = cached.pop(access.program, (0, 0))
        total -= there
        misses += access.tokens - there
        needed = following[index]
        if needed is None:
            continue
        tokens = accesses[needed].tokens
        cached[access.program] = (needed, tokens)
        total += tokens
        heapq.heappush(farthest, (-needed, access.program))
        while total > capacity:
            needed, program = -farthest[0][0], farthest[0][1]
            known, kept = cached.get(program, (-1, 0))
            if known != needed or kept == 0:
                heapq.heappop(farthest)
                continue
            gone = min(kept, total - capacity)
            cached[program] = (needed, kept - gone)
            total -= gone
    return misses


def _following(accesses: Sequence[Access]) -> list[int | None]:
    """The index of the next access of each one's program."""
    following: list[int | None] = [None] * len(accesses)
    last: dict[str, int] = {}
    for index, access in enumerate(accesses):
        before = last.get(access.program)
        if before is not None:
            following[before] = index
        last[access.program] = index
    return following


class _Recorder(StockPolicy):
    """vLLM's default policy, and a record of what started in which order."""

    def __init__(self, block_tokens: int) -> None:
        self._block = block_tokens
        self._context: dict[str, int] = {}
        self.accesses: list[Access] = []

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        known = min(self._context.get(call.program_id, 1), call.prompt_tokens) - 1
        self.accesses.append(Access(call.program_id, known // self._block * self._block))

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        self._context[call.program_id] = outcome.context_tokens
        return now

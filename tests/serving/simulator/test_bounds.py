from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.serving.simulator.workloads import SMALL, program, workloads

from treadle.serving.policy.stock import StockPolicy
from treadle.serving.simulator.bounds import (
    Access,
    belady_misses,
    contention_free_seconds,
    least_recomputed,
)
from treadle.serving.simulator.fast_engine import FastEngine
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.policies import POLICIES
from treadle.serving.simulator.programs import AgentProgram
from treadle.serving.simulator.simulation import Load, simulate

ACCESSES = st.lists(st.builds(Access, st.sampled_from("abcd"), st.integers(0, 20)), max_size=12)


def lru_misses(accesses: list[Access], capacity: int) -> int:
    """Of a cache of whole programs, as they are needed next, that evicts what was used first."""
    cached: dict[str, int] = {}
    misses = 0
    for index, access in enumerate(accesses):
        misses += access.tokens - cached.pop(access.program, 0)
        rest = accesses[index + 1 :]
        tokens = next((each.tokens for each in rest if each.program == access.program), 0)
        cached[access.program] = tokens
        while sum(cached.values()) > capacity:
            first = next(iter(cached))
            excess = sum(cached.values()) - capacity
            cached[first] -= min(cached[first], excess)
            if cached[first] == 0:
                del cached[first]
    return misses


def test_what_is_needed_last_is_evicted() -> None:
    accesses = [Access("a", 0), Access("b", 0), Access("a", 10), Access("b", 10), Access("a", 10)]
    # There is room for one: `a` stays, and `b`, of which 4 fit beside it, is computed again.
    assert belady_misses(accesses, 10) == 10
    assert belady_misses(accesses, 14) == 6
    assert belady_misses(accesses, 20) == 0
    assert belady_misses(accesses, 0) == 30


@given(accesses=ACCESSES, capacity=st.integers(0, 60))
def test_no_cache_misses_less(accesses: list[Access], capacity: int) -> None:
    least = belady_misses(accesses, capacity)
    assert 0 <= least <= lru_misses(accesses, capacity)
    assert least >= belady_misses(accesses, capacity + 5)


@settings(max_examples=40, deadline=None)
@given(programs=workloads, count=st.integers(1, 8), seed=st.integers(0, 2))
def test_vllm_recomputes_no_less_than_the_bound(
    programs: list[AgentProgram], count: int, seed: int
) -> None:
    load = Load(concurrency=count)
    found = simulate(programs, FastEngine(SMALL, StockPolicy()), load, seed=seed)
    assert least_recomputed(programs, SMALL, load, seed) <= found.counts.recomputed


@settings(max_examples=20, deadline=None)
@given(programs=workloads, count=st.integers(1, 8))
def test_no_policy_is_faster_than_without_contention(
    programs: list[AgentProgram], count: int
) -> None:
    alone = contention_free_seconds(programs, SMALL)
    for entry in POLICIES.values():
        engine = FastEngine(SMALL, entry.make(SMALL), gated=entry.gated)
        load = Load(concurrency=count)
        found = simulate(programs, engine, load, knowledge=entry.knowledge)
        pairs = zip(found.completion_seconds, alone, strict=True)
        # How a prompt is cut into steps depends on who else is there, and may save a little.
        assert all(seconds >= 0.99 * least for seconds, least in pairs)


def test_a_program_alone_by_hand() -> None:
    hardware = Hardware()
    seconds = contention_free_seconds([program("p", (100, 1, 2.0), (120, 1, 0.0))], hardware)
    first = hardware.step_seconds(100, 100 * 50, 0)
    # Six of the blocks are there: 24 tokens after 96.
    second = hardware.step_seconds(24, 24 * (96 + 12), 96)
    assert seconds == (pytest.approx(first + 2.0 + second),)

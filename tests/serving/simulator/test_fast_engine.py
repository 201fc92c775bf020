from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.serving.simulator.auditor import Auditor
from tests.serving.simulator.workloads import SMALL, program, workloads

from treadle.serving.policy.stock import StockPolicy
from treadle.serving.policy.treadle_policy import TreadlePolicy
from treadle.serving.simulator.fast_engine import FastEngine
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.policies import POLICIES
from treadle.serving.simulator.programs import AgentProgram
from treadle.serving.simulator.simulation import Load, Simulation, simulate

LOADS = st.one_of(
    st.integers(1, 8).map(lambda count: Load(concurrency=count)),
    st.sampled_from([0.1, 2.0, 50.0]).map(lambda rate: Load(per_second=rate)),
)


def run(
    programs: list[AgentProgram], name: str, load: Load, seed: int, hardware: Hardware = SMALL
) -> tuple[Simulation, Auditor]:
    entry = POLICIES[name]
    auditor = Auditor(entry.make(hardware))
    engine = FastEngine(hardware, auditor, gated=entry.gated)
    return simulate(programs, engine, load, seed=seed, knowledge=entry.knowledge), auditor


def reusable(programs: list[AgentProgram], block: int = 16) -> int:
    return sum(
        min(before.prompt_tokens + before.output_tokens - 1, turn.prompt_tokens - 1)
        // block
        * block
        for each in programs
        for before, turn in zip(each.turns, each.turns[1:], strict=False)
    )


@pytest.mark.parametrize("name", list(POLICIES))
@settings(max_examples=25, deadline=None)
@given(programs=workloads, load=LOADS, seed=st.integers(0, 3), cpu=st.sampled_from([0, 500, 9_000]))
def test_every_program_ends_and_tokens_add_up(
    name: str, programs: list[AgentProgram], load: Load, seed: int, cpu: int
) -> None:
    hardware = replace(SMALL, cpu_tokens=cpu)
    found, auditor = run(programs, name, load, seed, hardware)
    turns = [turn for each in programs for turn in each.turns]
    assert len(auditor.states) == len(turns)
    assert set(auditor.states.values()) == {"finished"}
    counts = found.counts
    assert counts.prompt == sum(turn.prompt_tokens for turn in turns)
    assert counts.output == sum(turn.output_tokens for turn in turns)
    assert counts.hit <= reusable(programs)
    assert counts.reloaded == 0 or cpu > 0
    assert counts.prefilled >= counts.prompt - counts.hit
    if counts.preemptions == 0:
        assert counts.prefilled == counts.prompt - counts.hit
        assert counts.recomputed == reusable(programs) - counts.hit
    for each, seconds in zip(programs, found.completion_seconds, strict=True):
        assert seconds > sum(turn.gap_seconds for turn in each.turns[:-1])
    assert found.makespan >= max(found.completion_seconds) - 1e-9


@pytest.mark.parametrize("name", list(POLICIES))
@settings(max_examples=10, deadline=None)
@given(programs=workloads, load=LOADS, seed=st.integers(0, 3))
def test_a_seed_gives_the_same_again(
    name: str, programs: list[AgentProgram], load: Load, seed: int
) -> None:
    assert run(programs, name, load, seed)[0] == run(programs, name, load, seed)[0]


@settings(max_examples=10, deadline=None)
@given(programs=workloads, seed=st.integers(0, 3))
def test_every_policy_sees_the_same_arrivals(programs: list[AgentProgram], seed: int) -> None:
    load = Load(per_second=0.5)
    arrivals = [run(programs, name, load, seed)[1].first_arrivals for name in POLICIES]
    for each in arrivals[1:]:
        assert each.keys() == arrivals[0].keys()


@settings(max_examples=25, deadline=None)
@given(programs=workloads, seed=st.integers(0, 3))
def test_without_contention_everything_is_found(programs: list[AgentProgram], seed: int) -> None:
    roomy = replace(SMALL, pool_tokens=10**9)
    found = simulate(programs, FastEngine(roomy, StockPolicy()), Load(per_second=1.0), seed=seed)
    assert found.counts.recomputed == 0
    assert found.counts.hit == reusable(programs)
    assert found.counts.preemptions == 0


def test_a_call_takes_as_long_as_its_steps() -> None:
    hardware = Hardware()
    found = simulate([program("p", (100, 3, 0.0))], FastEngine(hardware, StockPolicy()), Load(1))
    prefill = hardware.step_seconds(100, 100 * 50, 0)
    decode = hardware.step_seconds(1, 0, 100) + hardware.step_seconds(1, 0, 101)
    assert found.completion_seconds[0] == pytest.approx(prefill + decode)
    assert found.counts.steps == 3


def test_the_second_turn_prefills_what_is_new() -> None:
    found = simulate(
        [program("p", (100, 10, 1.0), (150, 1, 0.0))],
        FastEngine(Hardware(), StockPolicy()),
        Load(1),
    )
    # 109 tokens have KV, six whole blocks of them are 96.
    assert found.counts.hit == 96
    assert found.counts.prefilled == 100 + 54


def test_a_gap_is_as_long_as_the_slowest_tool() -> None:
    hardware = Hardware()
    short = simulate(
        [program("p", (100, 1, 0.0), (101, 1, 0.0))], FastEngine(hardware, StockPolicy()), Load(1)
    )
    long = simulate(
        [program("p", (100, 1, 7.5), (101, 1, 0.0))], FastEngine(hardware, StockPolicy()), Load(1)
    )
    assert long.makespan - short.makespan == pytest.approx(7.5)


def test_nobody_gets_the_room_of_a_program_whose_tool_is_about_to_end() -> None:
    turns = [(1_100 + 20 * turn, 10, 0.2) for turn in range(6)]
    programs = [program(f"p{number}", *turns) for number in range(4)]
    found = simulate(programs, FastEngine(SMALL, TreadlePolicy()), Load(concurrency=4))
    assert found.counts.recomputed == 0


def test_what_was_demoted_comes_back_before_the_tool_ends() -> None:
    """Tools that always take 40 s, and a link that takes 2 s for what a program has."""
    programs = [
        program(f"{n}", *((600 + 60 * turn, 20, 40.0) for turn in range(12))) for n in range(12)
    ]
    hardware = replace(SMALL, cpu_tokens=50_000, cpu_bandwidth=400.0 * SMALL.kv_bytes)
    found, _ = run(programs, "treadle", Load(per_second=0.05), 1, hardware)
    assert found.counts.prefetched > 0
    assert found.counts.prefetched <= found.counts.reloaded
    alone, _ = run(programs, "vllm", Load(per_second=0.05), 1, hardware)
    assert alone.counts.prefetched == 0

"""vLLM's scheduler on a virtual clock: what it counts, and how it compares with the fast model."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

pytest.importorskip("vllm")

from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core.errors import TreadleError
from treadle.serving.policy.contract import Call, Hold, Outcome, Pool, Rank, SchedulingPolicy
from treadle.serving.policy.stock import StockPolicy
from treadle.serving.policy.treadle_policy import TreadlePolicy
from treadle.serving.simulator.fast_engine import FastEngine
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.programs import AgentProgram, ToolRun, Turn
from treadle.serving.simulator.simulation import Load, Simulation, simulate
from treadle.serving.simulator.vllm_core.program_context import ProgramContext
from treadle.serving.simulator.vllm_engine import make_vllm_engine

BLOCK = 16


class Recording(StockPolicy):
    """Holds for a while, and writes down what it is told."""

    name = "recording"

    def __init__(self, seconds: float = 5.0) -> None:
        self.seconds = seconds
        self.outcomes: list[Outcome] = []
        self.calls: list[Call] = []
        self.seconds_stepped = 0.0
        self.preempted_calls = 0

    def arrived(self, call: Call, now: float) -> None:
        assert call.arrived == now
        self.calls.append(call)

    def rank(self, call: Call, now: float) -> Rank:
        return (call.arrived,)

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        return sorted(holds, key=lambda hold: hold.since) if must else ()

    def preempted(self, call: Call, now: float) -> None:
        self.preempted_calls += 1

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        self.outcomes.append(outcome)
        return now + self.seconds

    def stepped(
        self, prefill_tokens: int, decode_tokens: int, context_tokens: int, seconds: float
    ) -> None:
        self.seconds_stepped += seconds


def agents(seed: int, count: int = 10, turns: int = 6) -> list[AgentProgram]:
    """Agents with contexts of some thousand tokens and gaps of some seconds."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        prompt = draw.randrange(2_000, 8_000)
        several = []
        for _ in range(turns):
            output = draw.randrange(20, 300)
            tools = (
                ToolRun("shell", "", draw.expovariate(0.5)),
                ToolRun("search", "", draw.expovariate(1.0)),
            )
            several.append(Turn(prompt, output, tools))
            prompt += output + draw.randrange(50, 1_000)
        made.append(AgentProgram(f"agent {number}", tuple(several)))
    return made


def run(policy: SchedulingPolicy, pool: int, *, seed: int = 1, gated: bool = False) -> Simulation:
    engine = make_vllm_engine(Hardware(pool_tokens=pool), policy, gated=gated)
    return simulate(agents(seed), engine, Load(concurrency=6))


def test_one_call_takes_as_long_as_the_hardware_says() -> None:
    hardware = Hardware()
    program = AgentProgram("one", (Turn(10_000, 3, ()),))
    outcome = simulate([program], make_vllm_engine(hardware, StockPolicy()), Load(concurrency=1))
    expected = (
        hardware.step_seconds(8_192, 8_192 * 4_096.0, 0)
        + hardware.step_seconds(1_808, 1_808 * (8_192 + 904.0), 8_192)
        + hardware.step_seconds(1, 0, 10_000)
        + hardware.step_seconds(1, 0, 10_001)
    )
    assert outcome.completion_seconds[0] == pytest.approx(expected)
    assert (outcome.counts.prompt, outcome.counts.output) == (10_000, 3)
    assert (outcome.counts.prefilled, outcome.counts.hit, outcome.counts.steps) == (10_000, 0, 4)


def test_with_room_for_all_everything_reusable_is_found() -> None:
    outcome = run(StockPolicy(), pool=400_000)
    assert outcome.counts.recomputed == 0
    assert outcome.counts.hit > 0
    assert outcome.counts.prefilled == outcome.counts.prompt - outcome.counts.hit


@pytest.mark.parametrize("pool", [14_000, 30_000, 60_000, 400_000])
def test_the_fast_engine_is_a_model_of_it(pool: int) -> None:
    """Without a policy the two differ in what does not fill a block, and in what follows from
    that when memory is short."""
    hits = [0, 0]
    seconds = [0.0, 0.0]
    for seed in (1, 2, 3):
        fast = simulate(
            agents(seed), FastEngine(Hardware(pool_tokens=pool), StockPolicy()), Load(concurrency=6)
        )
        real = run(StockPolicy(), pool, seed=seed)
        assert fast.counts.prompt == real.counts.prompt
        assert fast.counts.output == real.counts.output
        for place, each in enumerate((fast, real)):
            hits[place] += each.counts.hit
            seconds[place] += sum(each.completion_seconds)
    prompt = fast.counts.prompt * 3
    assert abs(hits[0] - hits[1]) < 0.03 * prompt
    assert seconds[0] == pytest.approx(seconds[1], rel=0.03)


def test_a_policy_runs_in_the_plugin_and_is_told_everything() -> None:
    policy = Recording()
    outcome = run(policy, pool=30_000)
    assert len(policy.outcomes) == 60
    assert sum(each.last for each in policy.outcomes) == 10
    assert all(len(each.tools) == 2 for each in policy.outcomes)
    assert policy.preempted_calls == outcome.counts.preemptions
    assert policy.seconds_stepped == pytest.approx(outcome.makespan, rel=0.5)


def test_holding_finds_more_than_not_holding() -> None:
    assert run(Recording(), pool=40_000).counts.hit > run(StockPolicy(), pool=40_000).counts.hit


def test_in_front_of_the_engine_a_policy_admits_but_holds_nothing() -> None:
    class OneAtATime(Recording):
        """Admits a call when nothing runs."""

        most = 0

        def admits(self, call: Call, pool: Pool, now: float) -> bool:
            return pool.running_calls == 0 and pool.waiting_calls <= len(self.calls)

        def started(self, call: Call, cached_tokens: int, now: float) -> None:
            self.most = max(self.most, cached_tokens)

    policy = OneAtATime()
    outcome = run(policy, pool=60_000, gated=True)
    assert len(policy.outcomes) == 60
    assert policy.most > 0
    assert policy.seconds_stepped > 0
    assert outcome.counts.preemptions == 0


def test_runs_repeat_exactly() -> None:
    first, second = (run(Recording(), pool=30_000) for _ in range(2))
    assert first == second


def test_what_never_fits_is_refused() -> None:
    with pytest.raises(TreadleError) as raised:
        run(StockPolicy(), pool=4_000)
    assert raised.value.code == "pool_too_small"


@pytest.mark.parametrize("policy", [StockPolicy(), Recording()])
def test_a_cpu_tier_gives_back_what_the_pool_has_lost(policy: SchedulingPolicy) -> None:
    hardware = Hardware(pool_tokens=30_000, cpu_tokens=1_000_000)
    outcome = simulate(agents(1), make_vllm_engine(hardware, policy), Load(concurrency=6))
    assert outcome.counts.reloaded > 0
    assert outcome.counts.recomputed < 0.02 * outcome.counts.prompt
    assert outcome.counts.prefilled < 0.5 * run(StockPolicy(), pool=30_000).counts.prefilled


def test_the_cpu_tier_is_the_fast_engines_too() -> None:
    hardware = Hardware(pool_tokens=30_000, cpu_tokens=60_000)
    real, fast = (
        simulate(agents(1), engine, Load(concurrency=6))
        for engine in (
            make_vllm_engine(hardware, StockPolicy()),
            FastEngine(hardware, StockPolicy()),
        )
    )
    assert abs(real.counts.hit - fast.counts.hit) < 0.05 * real.counts.prompt
    assert abs(real.counts.reloaded - fast.counts.reloaded) < 0.05 * real.counts.prompt
    assert fast.makespan == pytest.approx(real.makespan, rel=0.05)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_was_demoted_comes_back_before_the_tool_ends(asynchronous: bool) -> None:
    """Tools that always take 40 s, and a link that takes 2 s for what a program has."""
    gap = (ToolRun("sleep", "", 40.0),)
    programs = [
        AgentProgram(
            f"{n}",
            tuple(Turn(6000 + 600 * turn, 20, gap if turn < 11 else ()) for turn in range(12)),
        )
        for n in range(8)
    ]
    hardware = Hardware(pool_tokens=24_000, cpu_tokens=1_000_000, cpu_bandwidth=4_000 * 131_072.0)
    real, fast = (
        simulate(programs, engine, Load(per_second=0.05), seed=1)
        for engine in (
            make_vllm_engine(hardware, TreadlePolicy(), asynchronous=asynchronous),
            FastEngine(hardware, TreadlePolicy()),
        )
    )
    assert real.counts.prefetched > 0
    assert real.counts.prefetched <= real.counts.reloaded
    assert real.counts.prefetched == pytest.approx(fast.counts.prefetched, rel=0.5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 200), st.integers(1, 60)), min_size=2, max_size=8))
def test_calls_share_the_blocks_that_they_have_in_common(turns: list[tuple[int, int]]) -> None:
    """As with tokens: what a call has of the call before it is its prompt, or all of that."""
    context = ProgramContext(1, BLOCK)
    other = ProgramContext(2, BLOCK)
    before: list[bytes] = []
    total = 0
    for prompt, output in turns:
        names = context.begin(prompt, output).between(0, prompt + output)
        assert len(names) == (prompt + output) // BLOCK
        assert len(set(names)) == len(names)
        common = min(len(before), prompt // BLOCK)
        assert names[:common] == before[:common]
        if prompt < total:
            assert not set(names[common:]) & set(before)
        assert not set(names) & set(other.begin(prompt, output).between(0, prompt + output))
        before, total = names, prompt + output

"""The simulator against the engine that it stands for: the same programs, step by step."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("vllm")

from treadle.serving.policy.contract import Call, Hold, Outcome, Pool, SchedulingPolicy
from treadle.serving.policy.stock import StockPolicy
from treadle.serving.simulator.programs import AgentProgram, ToolRun, Turn
from treadle.serving.simulator.simulation import Load, Simulation, simulate
from treadle.serving.simulator.vllm_core.lock_step import LockStepEngine, StepHardware
from treadle.serving.simulator.vllm_engine import make_vllm_engine

BLOCK = 32  # what vLLM's CPU backend takes
HARDWARE = StepHardware(pool_tokens=2240, block_tokens=BLOCK, step_tokens=256, max_running=16)
LOAD = Load(concurrency=8)


class HoldingPolicy(StockPolicy):
    """Holds everything for 40 steps; the last program gives way first."""

    name = "holding"

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        return sorted(holds, key=lambda hold: -hold.since) if must else ()

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        return now if outcome.last else now + 40.0


def programs(seed: int, count: int = 12, turns: int = 5) -> list[AgentProgram]:
    """Programs whose contexts do not fit the pool together; gaps are steps."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        prompt = draw.randrange(150, 400)
        several = []
        for _ in range(turns):
            output = draw.randrange(5, 30)
            gap = float(draw.choice([2, 5, 20, 60]))
            several.append(Turn(prompt, output, (ToolRun("tool", "", gap),)))
            # Now and then a context is compacted, and is not the old one any more.
            longer = prompt + output + draw.randrange(10, 150)
            prompt = longer if draw.random() < 0.9 else max(50, prompt // 2)
        made.append(AgentProgram(f"program {number}", tuple(several)))
    return made


def on_the_engine(
    model: Path, each: list[AgentProgram], policy: SchedulingPolicy | None, *, asynchronous: bool
) -> Simulation:
    engine = LockStepEngine(model, HARDWARE, policy=policy, asynchronous=asynchronous)
    try:
        return simulate(each, engine, LOAD, block_tokens=BLOCK)
    finally:
        engine.close()


def simulated(
    each: list[AgentProgram], policy: SchedulingPolicy, *, asynchronous: bool
) -> Simulation:
    engine = make_vllm_engine(HARDWARE, policy, asynchronous=asynchronous)
    return simulate(each, engine, LOAD, block_tokens=BLOCK)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_simulation_is_the_engine_step_by_step(tiny_model: Path, asynchronous: bool) -> None:
    several = programs(seed=5)
    real = on_the_engine(tiny_model, several, None, asynchronous=asynchronous)
    ours = simulated(several, StockPolicy(), asynchronous=asynchronous)
    assert ours.counts.hit == real.counts.hit
    assert ours.counts.prompt == real.counts.prompt
    assert ours.counts.output == real.counts.output
    assert ours.counts.steps == real.counts.steps
    assert ours.completion_seconds == real.completion_seconds
    # It was worth comparing: the cache was used, and too small.
    assert ours.counts.hit > 0
    assert ours.counts.recomputed > 0


def test_with_a_policy_they_agree_within_a_tenth(tiny_model: Path) -> None:
    several = programs(seed=6)
    real = on_the_engine(tiny_model, several, HoldingPolicy(), asynchronous=False)
    ours = simulated(several, HoldingPolicy(), asynchronous=False)
    assert ours.counts.hit == pytest.approx(real.counts.hit, rel=0.1)
    assert ours.makespan == pytest.approx(real.makespan, rel=0.1)
    stock = simulated(several, StockPolicy(), asynchronous=False)
    assert ours.counts.hit > stock.counts.hit

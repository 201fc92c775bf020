from __future__ import annotations

import math
import statistics
from collections import defaultdict

import pytest

from treadle.core.errors import InputError
from treadle.serving.simulator.generator import generate_programs
from treadle.serving.simulator.programs import AgentProgram
from treadle.serving.simulator.quantiles import quantile


@pytest.fixture(scope="module")
def programs() -> tuple[AgentProgram, ...]:
    return generate_programs(1_500, seed=11)


def of(values: list[float], probability: float) -> float:
    return quantile(sorted(values), probability)


def test_turns_and_prompts_are_like_the_published(programs: tuple[AgentProgram, ...]) -> None:
    turns = [float(len(each.turns)) for each in programs]
    assert of(turns, 0.5) == pytest.approx(45, rel=0.06)
    assert of(turns, 0.9) == pytest.approx(92, rel=0.06)
    assert of([each.turns[0].prompt_tokens for each in programs], 0.5) == pytest.approx(
        13_400, rel=0.02
    )
    last = [float(each.turns[-1].prompt_tokens) for each in programs]
    assert of(last, 0.5) == pytest.approx(53_500, rel=0.1)
    assert 120_000 < max(last) <= 127_000


def test_growth_and_output_are_like_the_published(programs: tuple[AgentProgram, ...]) -> None:
    growth = [
        float(after.prompt_tokens - before.prompt_tokens)
        for each in programs
        for before, after in zip(each.turns, each.turns[1:], strict=False)
    ]
    assert min(growth) > 0
    assert of(growth, 0.5) == pytest.approx(409, rel=0.05)
    assert statistics.fmean(growth) == pytest.approx(844, rel=0.05)
    assert of(growth, 0.99) == pytest.approx(10_002, rel=0.08)
    output = [float(turn.output_tokens) for each in programs for turn in each.turns]
    assert of(output, 0.5) == pytest.approx(145, rel=0.05)
    assert of(output, 0.99) == pytest.approx(1_399, rel=0.08)


def test_tools_are_like_the_published(programs: tuple[AgentProgram, ...]) -> None:
    paused = [turn for each in programs for turn in each.turns[:-1]]
    gaps = [turn.gap_seconds for turn in paused]
    assert of(gaps, 0.5) == pytest.approx(0.04, rel=0.15)
    assert statistics.fmean(gaps) == pytest.approx(3.4, rel=0.1)
    assert of(gaps, 0.9) == pytest.approx(9.5, rel=0.05)
    assert of(gaps, 0.99) == pytest.approx(20.4, rel=0.15)
    assert max(gaps) <= 308
    several = sum(len(turn.tools) > 1 for turn in paused) / len(paused)
    assert several == pytest.approx(0.14, abs=0.01)
    assert all(not each.turns[-1].tools for each in programs)


def test_the_class_explains_most_of_how_long_a_tool_takes(
    programs: tuple[AgentProgram, ...],
) -> None:
    classes = defaultdict(list)
    for each in programs:
        for turn in each.turns:
            for run in turn.tools:
                classes[run.tool].append(math.log(max(run.seconds, 1e-3)))
    everything = [value for values in classes.values() for value in values]
    within = sum(len(values) * statistics.pvariance(values) for values in classes.values())
    explained = 1 - within / len(everything) / statistics.pvariance(everything)
    assert explained == pytest.approx(0.8, abs=0.03)


def test_a_seed_makes_the_same_programs_again_and_another_others() -> None:
    assert generate_programs(5, seed=1) == generate_programs(5, seed=1)
    assert generate_programs(5, seed=1) != generate_programs(5, seed=2)
    assert generate_programs(9, seed=1)[:5] == generate_programs(5, seed=1)


@pytest.mark.parametrize("count", [0, -3, 10**9])
def test_how_many_must_make_sense(count: int) -> None:
    with pytest.raises(InputError) as found:
        generate_programs(count)
    assert found.value.code == "bad_workload"

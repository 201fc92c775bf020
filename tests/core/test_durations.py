"""What is learned of how long tools take."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.durations import DEFAULT_SECONDS, ToolDurations, family_of


def learned(tool: str, *seconds: float, pattern: str = "") -> ToolDurations:
    durations = ToolDurations()
    for each in seconds:
        durations.observe(tool, each, pattern)
    return durations


def test_before_anything_was_seen_the_expectation_is_wide() -> None:
    durations = ToolDurations()
    assert durations.expected_seconds("a") == DEFAULT_SECONDS
    assert durations.quantile("a", 0.5) < 0.1
    assert durations.quantile("a", 0.9) == pytest.approx(9.5, rel=0.1)
    assert durations.quantile("a", 0.999) > 20
    assert durations.survival("a", 1000.0) > 0.0


def test_what_was_seen_often_is_believed() -> None:
    durations = learned("a", *[3.0] * 200)
    assert durations.quantile("a", 0.5) == pytest.approx(3.0, rel=0.1)
    assert durations.quantile("a", 0.9) == pytest.approx(3.0, rel=0.1)
    assert durations.survival("a", 4.0) < 0.03
    assert durations.survival("a", 2.0) > 0.97


def test_one_long_call_changes_little() -> None:
    durations = learned("a", *[1.0] * 50, 10_000.0)
    assert durations.quantile("a", 0.9) == pytest.approx(1.0, rel=0.1)
    assert durations.expected_seconds("a") < 10.0


def test_a_new_tool_is_taken_for_one_of_its_family() -> None:
    durations = learned("Bash:pytest", *[60.0] * 50)
    for _ in range(500):
        durations.observe("Read", 0.01)
    assert durations.survival("Bash:make", 30.0) > 0.7
    assert durations.survival("Grep", 30.0) < 0.2
    assert durations.expected_seconds("Bash:make") == DEFAULT_SECONDS


def test_calls_that_are_alike_take_alike() -> None:
    durations = ToolDurations()
    for _ in range(30):
        durations.observe("run", 0.1, "quick")
        durations.observe("run", 100.0, "slow")
    assert durations.quantile("run", 0.5, "quick") < 0.2
    assert durations.quantile("run", 0.5, "slow") > 50
    assert durations.expected_seconds("run", "quick") == pytest.approx(0.1)
    assert durations.expected_seconds("run", "slow") == pytest.approx(100.0)
    # One that was never seen may be either.
    assert 0.3 < durations.survival("run", 10.0, "other") < 0.7
    assert durations.expected_seconds("run", "other") == durations.expected_seconds("run")


def test_patterns_that_tell_nothing_do_not_count() -> None:
    chance = random.Random(5)
    durations = ToolDurations()
    for number in range(2000):
        durations.observe("run", chance.lognormvariate(0, 1), f"{number % 300}")
    assert durations.quantile("run", 0.9, "7") == durations.quantile("run", 0.9)


def test_a_tool_that_changes_is_learned_anew() -> None:
    durations = learned("a", *[1.0] * 2000, *[50.0] * 1500)
    assert durations.quantile("a", 0.5) == pytest.approx(50.0, rel=0.1)


def test_calls_that_begin_together_take_as_long_as_the_longest() -> None:
    durations = learned("quick", *[0.1] * 100)
    for each in (1.0, 10.0) * 50:
        durations.observe("slow", each)
    both = [("quick", ""), ("slow", "")]
    assert durations.gap_survival(both, 5.0) == pytest.approx(
        durations.survival("slow", 5.0), abs=0.05
    )
    assert durations.gap_survival([("slow", "")] * 2, 5.0) == pytest.approx(0.75, abs=0.03)
    assert durations.gap_survival([("slow", "")] * 2, 5.0, elapsed=2.0) > 0.9
    assert durations.gap_quantile(both, 0.9) >= durations.quantile("slow", 0.9) * 0.99
    assert durations.gap_quantile([], 0.9) == durations.quantile("", 0.9)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_what_is_no_duration_teaches_nothing(seconds: float) -> None:
    durations = learned("a", seconds)
    assert durations.expected_seconds("a") == DEFAULT_SECONDS


def test_memory_is_bounded() -> None:
    durations = ToolDurations()
    durations.observe("kept", 5.0)
    for number in range(3 * ToolDurations.PATTERNS):
        durations.observe(f"family{number}:tool", 1.0, "p")
        durations.observe("kept", 5.0, f"{number}")
    assert len(durations._tools) == ToolDurations.TOOLS
    assert len(durations._families) == ToolDurations.TOOLS
    assert len(durations._patterns) == ToolDurations.PATTERNS
    assert durations.expected_seconds("kept") == pytest.approx(5.0)
    assert durations.expected_seconds("family0:tool") == DEFAULT_SECONDS


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1e5), st.sampled_from(["", "p"]))))
def test_seeding_is_learning_earlier(seen: list[tuple[str, float, str]]) -> None:
    seeded, told = ToolDurations(), ToolDurations()
    seeded.seed(seen)
    for tool, seconds, pattern in seen:
        told.observe(tool, seconds, pattern)
    for tool in "ab":
        assert seeded.quantile(tool, 0.9, "p") == told.quantile(tool, 0.9, "p")
        assert seeded.expected_seconds(tool) == told.expected_seconds(tool)


@pytest.mark.parametrize("seed", range(5))
def test_nine_of_ten_calls_do_not_exceed_the_quantile_that_was_foretold(seed: int) -> None:
    chance = random.Random(seed)
    tools = {f"t{n}": (chance.uniform(-3, 3), chance.uniform(0.2, 2)) for n in range(8)}
    durations = ToolDurations()
    covered = 0
    for turn in range(4000):
        tool = chance.choice(list(tools))
        seconds = math.exp(chance.gauss(*tools[tool]))
        covered += turn >= 1000 and seconds <= durations.quantile(tool, 0.9)
        durations.observe(tool, seconds)
    assert covered / 3000 == pytest.approx(0.9, abs=0.02)


def test_families() -> None:
    assert family_of("Bash:pytest") == "Bash"
    assert family_of("Bash:a.b") == "Bash"
    assert family_of("web.search") == "web"
    assert family_of("Read") == ""

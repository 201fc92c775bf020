"""Distributions of durations: quantiles and probabilities of one agree, whatever was seen."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.duration_distribution import (
    LONGEST,
    RANGES,
    SHORTEST,
    DurationDistribution,
    range_of,
)

WIDE = DurationDistribution.through([(0.04, 0.5), (9.5, 0.9), (308.0, 0.9999)])
SECONDS = st.floats(0, 1e6, allow_nan=False)
SEEN = st.lists(SECONDS, max_size=60)


def distribution(seen: list[float], weight: float = 4.0) -> DurationDistribution:
    return WIDE.mixed(Counter(map(range_of, seen)), weight)


def test_a_distribution_goes_through_its_quantiles() -> None:
    # A range that lies across a given point is straight inside: hence not quite exact.
    assert WIDE.quantile(0.5) == pytest.approx(0.04, rel=0.05)
    assert WIDE.quantile(0.9) == pytest.approx(9.5, rel=0.05)
    assert 0.0 < WIDE.survival(400.0) < 1e-4


@given(SECONDS)
def test_every_duration_has_a_range(seconds: float) -> None:
    assert 0 <= range_of(seconds) < RANGES
    assert range_of(seconds) <= range_of(seconds * 2)


@given(SEEN, SECONDS, SECONDS)
def test_survival_falls_from_one(seen: list[float], first: float, second: float) -> None:
    made, (early, late) = distribution(seen), sorted((first, second))
    assert made.survival(0.0) == 1.0
    assert 0.0 <= made.survival(late) <= made.survival(early) <= 1.0


@given(SEEN, st.floats(0.001, 0.999), st.floats(0, 1e5))
def test_a_quantile_is_where_that_much_is_left(
    seen: list[float], probability: float, elapsed: float
) -> None:
    made = distribution(seen)
    found = made.quantile(probability, elapsed)
    assert found >= elapsed
    assert made.survival(found, elapsed) == pytest.approx(1 - probability, abs=1e-6)


@given(SEEN, st.floats(0, 1e5), st.floats(0.01, 0.98))
def test_what_has_lasted_long_will_last_longer(
    seen: list[float], elapsed: float, probability: float
) -> None:
    made = distribution(seen)
    assert made.quantile(probability, elapsed) >= made.quantile(probability) * (1 - 1e-9)
    assert made.quantile(probability, elapsed) <= made.quantile(probability + 0.01, elapsed)


@given(st.lists(SEEN, min_size=1, max_size=4), SECONDS)
def test_the_longest_of_several_takes_longer_than_each(
    each: list[list[float]], seconds: float
) -> None:
    several = [distribution(seen) for seen in each]
    longest = DurationDistribution.longest_of(several).survival(seconds)
    apart = [one.survival(seconds) for one in several]
    assert longest >= max(apart) - 1e-9
    assert longest <= sum(apart) + 1e-9


def test_beyond_the_last_range_the_tail_goes_on() -> None:
    assert WIDE.survival(LONGEST * 4) == pytest.approx(WIDE.survival(LONGEST) / 4)
    assert WIDE.survival(LONGEST * 4, elapsed=LONGEST * 2) == pytest.approx(0.5)
    assert WIDE.quantile(0.5, elapsed=LONGEST * 2) == pytest.approx(LONGEST * 4)
    assert WIDE.quantile(1.0) == math.inf


def test_without_observations_nothing_changes() -> None:
    assert WIDE.mixed({}, 0.0) is WIDE
    assert WIDE.survival(SHORTEST / 2) == 1.0

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.serving.simulator.baselines.memoryfulness import Memoryfulness


def eta(*calls: int) -> float:
    memory = Memoryfulness()
    for each in calls:
        memory.add(each)
    return memory.eta


def test_programs_of_one_length_are_fully_memoryful() -> None:
    assert eta() == 1.0
    assert eta(5, 5, 5) == pytest.approx(1.0)


def test_by_hand() -> None:
    # (k, N - k): (1, 0), (1, 2), (2, 1), (3, 0); covariance -1.25 / 4, both variances 2.75 / 4
    assert eta(1, 3) == pytest.approx(1.25 / 2.75)


@given(st.lists(st.integers(1, 200), max_size=20))
def test_it_is_a_correlation(calls: list[int]) -> None:
    assert -1.0 - 1e-9 <= eta(*calls) <= 1.0 + 1e-9

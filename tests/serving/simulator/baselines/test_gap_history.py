from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from treadle.serving.simulator.baselines.gap_history import GapHistory


def filled(durations: list[float], most: int = 1_000) -> GapHistory:
    history = GapHistory(most)
    for each in durations:
        history.add(each)
    return history


def value(durations: list[float], benefit: float, tau: float) -> float:
    return sum(each <= tau for each in durations) / len(durations) * benefit - tau


def test_by_hand() -> None:
    history = filled([1.0] * 8 + [5.0, 100.0])
    # 0.8 * 10 - 1 = 7 against 0.9 * 10 - 5 = 4
    assert history.best(10.0) == 1.0
    # 0.8 * 100 - 1 = 79 against 0.9 * 100 - 5 = 85 and 100 - 100 = 0
    assert history.best(100.0) == 5.0
    assert history.best(1.0) is None
    assert GapHistory().best(10.0) is None


@given(
    durations=st.lists(st.floats(0.0, 300.0), min_size=1, max_size=60),
    benefit=st.floats(0.0, 500.0),
)
def test_as_good_as_trying_all(durations: list[float], benefit: float) -> None:
    best = filled(durations).best(benefit)
    most = max(0.0, *(value(durations, benefit, tau) for tau in durations))
    found = 0.0 if best is None else value(durations, benefit, best)
    assert abs(found - most) <= 1e-9 * max(1.0, most)


def test_what_takes_no_time_is_worth_a_pin_of_no_time() -> None:
    assert filled([0.0] * 9 + [100.0]).best(10.0) == 0.0


def test_old_durations_are_forgotten() -> None:
    history = filled([100.0] * 50 + [1.0] * 50, most=50)
    assert len(history) == 50
    assert history.best(2.0) == 1.0

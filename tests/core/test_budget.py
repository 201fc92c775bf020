"""Budgets refuse the next call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.budget import Budget, BudgetMeter
from treadle.core.errors import BudgetExceeded, ConfigError
from treadle.testing import FakeClock


@pytest.mark.parametrize(
    "limits", [{"steps": -1}, {"seconds": float("nan")}, {"tokens": -5}, {"seconds": -0.1}]
)
def test_a_limit_that_makes_no_sense_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="bad_budget"):
        Budget(**limits)  # type: ignore[arg-type]


@given(limit=st.integers(0, 50), wanted=st.integers(0, 60))
def test_exactly_the_granted_steps_are_taken(limit: int, wanted: int) -> None:
    meter = BudgetMeter(Budget(steps=limit), FakeClock())
    for _ in range(min(limit, wanted)):
        meter.reserve_step()
    if wanted > limit:
        with pytest.raises(BudgetExceeded) as caught:
            meter.reserve_step()
        assert (caught.value.resource, caught.value.used) == ("steps", limit)
    assert meter.steps == min(limit, wanted)


@given(limit=st.integers(0, 1000), uses=st.lists(st.integers(0, 500), max_size=10))
def test_no_call_starts_once_the_tokens_are_used_up(limit: int, uses: list[int]) -> None:
    meter = BudgetMeter(Budget(tokens=limit), FakeClock())
    for used in uses:
        assert meter.remaining_tokens == max(0, limit - meter.tokens)
        if meter.remaining_tokens == 0:
            with pytest.raises(BudgetExceeded, match="tokens"):
                meter.reserve_model_call()
            return
        meter.reserve_model_call()
        meter.settle_tokens(used)
    assert meter.tokens == sum(uses)


def test_when_the_time_is_over_nothing_starts() -> None:
    clock = FakeClock()
    meter = BudgetMeter(Budget(seconds=10), clock)
    clock.advance(9.5)
    meter.reserve_step()
    meter.reserve_model_call()
    clock.advance(0.5)
    for reserve in (meter.reserve_step, meter.reserve_model_call):
        with pytest.raises(BudgetExceeded, match="10 seconds"):
            reserve()
    assert meter.steps == 1


def test_without_limits_nothing_is_refused() -> None:
    clock = FakeClock()
    meter = BudgetMeter(Budget(), clock)
    clock.advance(1e9)
    meter.reserve_step()
    meter.settle_tokens(10**12)
    meter.reserve_model_call()
    assert meter.remaining_tokens is None

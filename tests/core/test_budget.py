"""Budgets refuse the next call."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.budget import (
    LEAST_REPLY,
    MOST_REPLY,
    SMALL_REPLY,
    Budget,
    BudgetMeter,
    Reservation,
)
from treadle.core.chat import Usage
from treadle.core.errors import BudgetExceeded, ConfigError
from treadle.core.prices import Price, PriceList
from treadle.testing import FakeClock


@pytest.mark.parametrize(
    "limits",
    [{"steps": -1}, {"seconds": float("nan")}, {"tokens": -5}, {"seconds": -0.1}, {"cost": -1}],
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


def reserve(
    meter: BudgetMeter, prompt: int = 10, max_tokens: int | None = None, model: str = "m"
) -> Reservation:
    return meter.reserve_model_call(model, lambda: prompt, max_tokens)


def test_a_single_call_in_a_small_budget_gets_all_of_it() -> None:
    assert reserve(BudgetMeter(Budget(tokens=500), FakeClock()), 100).max_tokens == 400


def test_the_first_call_leaves_something_for_others() -> None:
    meter = BudgetMeter(Budget(tokens=10_000), FakeClock())
    shares = [reserve(meter, 0).max_tokens for _ in range(5)]
    assert shares == [5000, 2500, 1250, SMALL_REPLY, 226]
    with pytest.raises(BudgetExceeded, match="10000 used"):
        reserve(meter, 0)


def test_a_large_budget_is_not_for_one_reply() -> None:
    meter = BudgetMeter(Budget(tokens=10**9), FakeClock())
    assert reserve(meter).max_tokens == MOST_REPLY
    assert reserve(meter, max_tokens=10**6).max_tokens == 10**6


def test_a_reply_that_would_be_too_short_is_not_asked_for() -> None:
    meter = BudgetMeter(Budget(tokens=100), FakeClock())
    with pytest.raises(BudgetExceeded, match="0 used or reserved, 106 needed"):
        reserve(meter, 90)
    assert reserve(meter, 90, max_tokens=5).max_tokens == 5
    assert meter.remaining_tokens == 5


def test_what_was_not_used_is_given_back() -> None:
    meter = BudgetMeter(Budget(tokens=100), FakeClock())
    held = reserve(meter, 60)
    with pytest.raises(BudgetExceeded):
        reserve(meter)
    meter.settle(held, Usage(30, 5, calls=1))
    assert (meter.tokens, meter.remaining_tokens) == (35, 65)


Calls = st.lists(
    st.tuples(
        st.integers(0, 2),  # which meter of the chain
        st.integers(0, 400),  # prompt
        st.none() | st.integers(1, 3000),  # max_tokens
        st.floats(0, 1),  # how much of it is used
        st.booleans(),  # settled before the next one
    ),
    max_size=30,
)


@given(
    limits=st.tuples(*[st.none() | st.integers(0, 9000)] * 3),
    money=st.tuples(*[st.none() | st.floats(0, 0.02)] * 3),
    calls=Calls,
)
def test_no_limit_of_the_tree_is_ever_passed(
    limits: tuple[int | None, ...], money: tuple[float | None, ...], calls: list[Any]
) -> None:
    price = Price(prompt=1.5, cached=0.3, completion=7)
    prices = PriceList({"m": price})
    meters: list[BudgetMeter] = []
    for tokens, cost in zip(limits, money, strict=True):
        outer = meters[-1] if meters else None
        meters.append(BudgetMeter(Budget(tokens=tokens, cost=cost), FakeClock(), outer, prices))
    open_calls: list[tuple[BudgetMeter, Reservation, Usage]] = []
    for which, prompt, max_tokens, part, at_once in calls:
        try:
            held = reserve(meters[which], prompt, max_tokens)
        except BudgetExceeded:
            continue
        reply = 100 if held.max_tokens is None else int(held.max_tokens * part)
        used = Usage(prompt, reply, calls=1)
        open_calls.append((meters[which], held, replace(used, cost=price.of(used))))
        if at_once:
            meter, held, used = open_calls.pop()
            meter.settle(held, used)
    for meter, held, used in open_calls:
        meter.settle(held, used)
    for meter, tokens, cost in zip(meters, limits, money, strict=True):
        assert tokens is None or meter.tokens <= tokens
        assert meter.cost is not None
        assert cost is None or meter.cost <= cost + 1e-9
        # Everything was given back.
        assert (meter._reserved_tokens, meter._reserved_cost) == (0, 0)


def test_threads_never_pass_the_limit_together() -> None:
    outer = BudgetMeter(Budget(tokens=60_000, steps=500), FakeClock())
    inner = [BudgetMeter(Budget(tokens=40_000), FakeClock()).within(outer) for _ in range(8)]
    barrier = Barrier(8)
    steps = [0] * 8

    def work(number: int) -> None:
        barrier.wait(10)
        for _ in range(200):
            try:
                inner[number].reserve_step()
                steps[number] += 1
            except BudgetExceeded:
                pass
            try:
                held = reserve(inner[number], 50, 100)
            except BudgetExceeded:
                continue
            assert held.max_tokens is not None
            inner[number].settle(held, Usage(50, held.max_tokens // 2, calls=1))

    threads = [Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert outer.tokens <= 60_000
    assert outer.tokens == sum(meter.tokens for meter in inner)
    assert outer.steps == sum(steps) == 500
    assert outer.tokens + 50 + LEAST_REPLY > 60_000  # and none was refused needlessly


def test_a_limit_on_the_cost_needs_a_price() -> None:
    meter = BudgetMeter(Budget(cost=1), FakeClock(), prices=PriceList({"known:*": Price(1, 2)}))
    with pytest.raises(ConfigError, match=r"no_price.*other:m"):
        reserve(meter, model="other:m")
    assert reserve(meter, model="known:m").cost > 0
    assert reserve(meter, model="offline").cost == 0


def test_a_run_within_uses_the_prices_around_it() -> None:
    outer = BudgetMeter(Budget(cost=1), FakeClock(), prices=PriceList({"m": Price(1, 2)}))
    inner = BudgetMeter(Budget(), FakeClock()).within(outer)
    assert reserve(inner).cost > 0
    free = BudgetMeter(Budget(), FakeClock(), prices=PriceList({"m": Price(0, 0)}))
    assert reserve(free.within(outer)).cost == 0


def test_money_limits_the_reply() -> None:
    prices = PriceList({"m": Price(prompt=10, completion=100)})
    meter = BudgetMeter(Budget(cost=0.1), FakeClock(), prices=prices)
    held = reserve(meter, 1000)
    assert (held.max_tokens, held.cost) == (900, 0.1)
    with pytest.raises(BudgetExceeded) as caught:
        reserve(meter)
    assert (caught.value.resource, caught.value.used) == ("cost", 0.1)
    meter.settle(held, Usage(1000, 10, calls=1, cost=0.011))
    assert meter.cost == 0.011


def test_what_was_used_before_counts() -> None:
    prices = PriceList({"m": Price(1, 1)})
    meter = BudgetMeter(Budget(tokens=100, cost=0.5), FakeClock(), prices=prices)
    meter.restore(3, 40, 0, 0.2)
    assert (meter.steps, meter.remaining_tokens, meter.cost) == (3, 60, 0.2)
    meter.book(0, 0, 0.3)
    with pytest.raises(BudgetExceeded, match="in money is used up"):
        reserve(meter)


def test_a_past_of_unknown_cost_does_not_pass_for_free() -> None:
    prices = PriceList({"m": Price(1, 1)})
    meter = BudgetMeter(Budget(cost=5), FakeClock(), prices=prices)
    meter.restore(0, 40, 0, None)
    with pytest.raises(ConfigError, match="no_price"):
        reserve(meter)


def test_when_the_time_is_over_nothing_starts() -> None:
    clock = FakeClock()
    meter = BudgetMeter(Budget(seconds=10), clock)
    clock.advance(9.5)
    meter.reserve_step()
    reserve(meter)
    clock.advance(0.5)
    within = BudgetMeter(Budget(), clock).within(meter)
    for refused in (meter, within):
        with pytest.raises(BudgetExceeded, match="10 seconds"):
            refused.reserve_step()
        with pytest.raises(BudgetExceeded, match="10 seconds"):
            reserve(refused)
    assert meter.steps == 1


def test_without_limits_nothing_is_refused() -> None:
    clock = FakeClock()
    meter = BudgetMeter(Budget(), clock)
    clock.advance(1e9)
    meter.reserve_step()
    meter.settle(reserve(meter), Usage(10**12, calls=1))
    assert reserve(meter) == Reservation()
    assert (meter.remaining_tokens, meter.cost) == (None, None)

"""The gate alone: order, places, shares, deadlines, groups; no I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from treadle.serving.policy import Call, Outcome, Pool, StockPolicy, TreadlePolicy
from treadle.serving.router import Dispatch, GateLimits, ProgramGate, RouterError, Upstream
from treadle.serving.router.prefix import PrefixMark


def call(
    number: int, program: str = "", *, prompt: int = 100, at: float = 0.0, **more: object
) -> Call:
    return Call(f"c{number}", program, "", prompt, at, **more)  # type: ignore[arg-type]


def names(dispatches: Sequence[Dispatch]) -> list[str]:
    return [each.call.call_id for each in dispatches]


def one(kv_tokens: int = 1_000_000, max_in_flight: int = 1, **limits: float) -> ProgramGate:
    return ProgramGate(
        [Upstream("a", kv_tokens, max_in_flight)],
        StockPolicy,
        limits=GateLimits(**limits),  # type: ignore[arg-type]
    )


def two(max_in_flight: int = 4, kv_tokens: int = 10_000) -> ProgramGate:
    return ProgramGate(
        [Upstream("a", kv_tokens, max_in_flight), Upstream("b", kv_tokens, max_in_flight)],
        StockPolicy,
    )


def drained(gate: ProgramGate, now: float = 0.0) -> list[str]:
    """The order in which all that waits is sent, one by one."""
    order: list[str] = []
    while sent := gate.next(now):
        order += names(sent)
        for each in sent:
            gate.finished(each.call.call_id, Outcome(each.call.prompt_tokens, 0), now)
    return order


def test_no_more_than_the_limit_run() -> None:
    gate = one(max_in_flight=2)
    for number in range(5):
        gate.submit(call(number, at=number), 5.0)
    assert names(gate.next(5.0)) == ["c0", "c1"]
    assert gate.next(5.0) == []
    gate.finished("c1", Outcome(120, 20), 6.0)
    assert names(gate.next(6.0)) == ["c2"]


def test_calls_wait_for_room_in_the_kv_pool_in_order() -> None:
    gate = one(kv_tokens=2_000, max_in_flight=10)
    gate.submit(call(0, prompt=1_000), 0.0)
    gate.submit(call(1, prompt=1_500, at=1.0), 1.0)
    gate.submit(call(2, prompt=10, at=2.0), 2.0)
    assert names(gate.next(2.0)) == ["c0"]  # c2 would fit, and would starve c1
    gate.finished("c0", Outcome(1_000, 0), 3.0)
    assert names(gate.next(3.0)) == ["c1", "c2"]


def test_a_call_larger_than_the_pool_is_sent_when_nothing_runs() -> None:
    gate = one(kv_tokens=1_000)
    gate.submit(call(0, prompt=5_000), 0.0)
    assert names(gate.next(0.0)) == ["c0"]


def test_a_program_stays_where_its_kv_is() -> None:
    gate = two()
    gate.submit(call(0, "p", prompt=3_000), 0.0)
    gate.submit(call(1, "q", prompt=3_000), 0.0)
    homes = {each.call.program_id: each.upstream for each in gate.next(0.0)}
    assert set(homes.values()) == {"a", "b"}
    for number, program in enumerate(["p", "q"]):
        gate.finished(f"c{number}", Outcome(3_100, 100), 1.0)
        gate.submit(call(10 + number, program, prompt=3_200), 2.0)
    assert {each.call.program_id: each.upstream for each in gate.next(2.0)} == homes


def test_a_program_moves_when_its_upstream_is_too_busy() -> None:
    gate = two(max_in_flight=1)
    gate.submit(call(0, "p", prompt=500), 0.0)
    assert gate.next(0.0)[0].upstream == "a"
    gate.finished("c0", Outcome(600, 100), 1.0)
    gate.submit(call(1, "other", prompt=9_000), 1.0)
    gate.submit(call(2, "more", prompt=8_000), 1.0)
    gate.next(1.0)
    gate.submit(call(3, "p", prompt=700), 2.0)
    gate.finished("c2", Outcome(8_000, 0), 3.0)
    # What it has at its home is small; the other upstream has nothing to do.
    assert [each.upstream for each in gate.next(5.0) if each.call.call_id == "c3"]


def test_a_call_that_waits_too_long_moves_to_an_idle_upstream() -> None:
    gate = two(max_in_flight=1)
    gate.submit(call(0), 0.0, only={"a"})
    gate.next(0.0)
    gate.set_up("b", False, 0.0)
    gate.submit(call(1), 0.0)
    assert gate.next(0.0) == []
    gate.set_up("b", True, 0.5)
    assert gate.next(0.5) == []
    wake = gate.wake_at(0.5)
    assert wake is not None
    assert gate.next(wake) == [Dispatch(call(1), "b")]


def test_a_call_that_failed_is_given_once_more_to_another_upstream() -> None:
    gate = two()
    gate.submit(call(0), 0.0)
    first = gate.next(0.0)[0].upstream
    assert gate.failed("c0", 0.0)
    (again,) = gate.next(0.0)
    assert again.upstream != first
    assert not gate.failed("c0", 0.0)
    assert gate.next(0.0) == []
    assert gate.in_flight == 0


def test_what_waits_for_an_upstream_that_goes_down_moves_on() -> None:
    gate = two(max_in_flight=1)
    for number in range(4):
        gate.submit(call(number), 0.0)
    gate.submit(call(9), 0.0, only={"a"})
    gate.next(0.0)
    stranded = gate.set_up("a", False, 1.0)
    assert [each.call_id for each in stranded] == ["c9"]
    assert gate.waiting == 2
    with pytest.raises(RouterError) as caught:
        gate.submit(call(10), 1.0, only={"a"})
    assert (caught.value.code, caught.value.status) == ("no_engine", 503)


def test_too_many_waiting_calls_are_refused_with_a_time_to_come_back() -> None:
    gate = one(max_waiting=2)
    gate.submit(call(0), 0.0)
    gate.submit(call(1), 0.0)
    with pytest.raises(RouterError) as caught:
        gate.submit(call(2), 0.0)
    assert (caught.value.code, caught.value.status) == ("router_full", 429)
    assert caught.value.retry_after is not None


def test_least_slack_goes_first_and_what_is_late_anyway_does_not() -> None:
    gate = one()
    gate.submit(call(0), 100.0)
    gate.submit(call(1, at=1.0, deadline=125.0), 100.0)
    gate.submit(call(2, at=2.0, deadline=125.0, remaining_seconds=10.0), 100.0)
    gate.submit(call(3, at=3.0, deadline=90.0), 100.0)
    gate.submit(call(4, at=4.0, deadline=10_000.0), 100.0)
    assert drained(gate, 100.0) == ["c2", "c1", "c0", "c3", "c4"]


def test_tenants_share_by_tokens_and_not_by_calls() -> None:
    gate = one(fair_quantum=1_000)
    for number in range(40):
        gate.submit(call(number, prompt=1_000, at=0.0, tenant="greedy"), 0.0)
    for number in range(40, 50):
        gate.submit(call(number, prompt=1_000, at=1.0, tenant="modest"), 1.0)
    order = drained(gate, 1.0)
    # Ten each of the first twenty, give or take the quantum, though all of greedy's came first.
    assert 8 <= sum(int(each[1:]) >= 40 for each in order[:20]) <= 11


def test_shares_follow_weights() -> None:
    gate = ProgramGate(
        [Upstream("a", 1_000_000, 1)],
        StockPolicy,
        limits=GateLimits(fair_quantum=500),
        weights={"paying": 3.0},
    )
    for number in range(60):
        tenant = "free" if number < 30 else "paying"
        gate.submit(call(number, prompt=1_000, tenant=tenant), 0.0)
    first = drained(gate)[:20]
    assert 13 <= sum(int(each[1:]) >= 30 for each in first) <= 17


def test_shares_hold_under_the_treadle_policy_too() -> None:
    gate = ProgramGate(
        [Upstream("a", 1_000_000, 1)], TreadlePolicy, limits=GateLimits(fair_quantum=1_000)
    )
    for number in range(40):
        gate.submit(call(number, f"p{number}", prompt=1_000, tenant="greedy"), 0.0)
    for number in range(40, 50):
        gate.submit(call(number, f"p{number}", prompt=1_000, at=1.0, tenant="modest"), 1.0)
    order: list[str] = []
    while sent := gate.next(1.0):
        order += names(sent)
        for each in sent:
            gate.finished(each.call.call_id, Outcome(1_000, 0, last=True), 1.0)
    assert len(order) == 50
    assert 8 <= sum(int(each[1:]) >= 40 for each in order[:20]) <= 11


def test_calls_that_begin_alike_go_together_to_one_upstream() -> None:
    gate = two(max_in_flight=1, kv_tokens=1_000_000)
    marks = {name: (PrefixMark(name.encode(), 900),) for name in ("x", "y")}
    where: dict[str, set[str]] = {"x": set(), "y": set()}
    for number in range(8):
        gate.submit(call(number, prompt=1_000, at=number), 8.0, marks=marks["xy"[number % 2]])
    order: list[tuple[str, str]] = []
    while sent := gate.next(8.0):
        for each in sent:
            name = "xy"[int(each.call.call_id[1:]) % 2]
            where[name].add(each.upstream)
            order.append((each.upstream, name))
            gate.finished(each.call.call_id, Outcome(1_000, 0), 8.0)
    assert where["x"] != where["y"]
    assert all(len(places) == 1 for places in where.values())


def test_calls_that_begin_alike_go_one_after_the_other() -> None:
    gate = one()
    for number in range(6):
        name = "xy"[number % 2].encode()
        gate.submit(call(number, at=number), 6.0, marks=(PrefixMark(name, 90),))
    assert drained(gate, 6.0) == ["c0", "c2", "c4", "c1", "c3", "c5"]


def test_programs_that_make_no_call_for_long_are_forgotten() -> None:
    gate = one(program_idle_seconds=100.0)
    gate.submit(call(0, "p"), 0.0)
    gate.next(0.0)
    gate.next(1_000.0)
    assert gate.programs == 1  # its call runs
    gate.finished("c0", Outcome(100, 0), 1_000.0)
    gate.next(1_050.0)
    assert gate.programs == 1
    gate.next(1_200.0)
    assert gate.programs == 0


def test_the_end_of_a_program_frees_what_was_held_for_it() -> None:
    gate = ProgramGate([Upstream("a", 10_000, 8)], TreadlePolicy)
    gate.submit(call(0, "p", prompt=4_000), 0.0)
    gate.next(0.0)
    gate.finished("c0", Outcome(4_100, 100), 1.0)
    assert gate.pool("a").held == 4_100
    assert gate.ended("p", 2.0) == ("a",)
    assert gate.pool("a").held == 0
    assert gate.ended("p", 2.0) == ()


def test_a_program_that_moves_leaves_no_hold_behind() -> None:
    upstreams = [Upstream("a", 10_000, 8), Upstream("b", 10_000, 8)]
    gate = ProgramGate(upstreams, TreadlePolicy)
    gate.submit(call(0, "p", prompt=4_000), 0.0, only={"a"})
    gate.next(0.0)
    gate.finished("c0", Outcome(4_100, 100), 1.0)
    assert gate.pool("a").held == 4_100
    gate.submit(call(1, "p", prompt=4_200), 2.0, only={"b"})
    assert gate.pool("a").held == 0
    assert [each.upstream for each in gate.next(2.0)] == ["b"]


def test_a_call_that_ends_after_its_program_leaves_no_hold() -> None:
    gate = ProgramGate([Upstream("a", 10_000, 8)], TreadlePolicy)
    gate.submit(call(0, "p", prompt=4_000), 0.0)
    gate.next(0.0)
    gate.ended("p", 0.5)
    gate.finished("c0", Outcome(4_100, 100), 1.0)
    assert gate.pool("a").held == 0


class Stopwatch(StockPolicy):
    def __init__(self) -> None:
        self.steps: list[tuple[int, float]] = []

    def stepped(
        self, prefill_tokens: int, decode_tokens: int, context_tokens: int, seconds: float
    ) -> None:
        self.steps.append((prefill_tokens, seconds))


def test_the_prefill_rate_is_seen_from_when_answers_begin() -> None:
    policy = Stopwatch()
    gate = ProgramGate([Upstream("a", 100_000, 8)], lambda: policy)
    for number in range(3):
        gate.submit(call(number, f"p{number}", prompt=1_000), 0.0)
    gate.next(0.0)
    for number in range(3):
        gate.answered(f"c{number}", 0.1 * (number + 1))
        gate.answered(f"c{number}", 9.0)
    assert policy.steps == [(1_000, 0.1), (2_000, 0.2), (3_000, pytest.approx(0.3))]


def test_an_unknown_call_changes_nothing() -> None:
    gate = one()
    gate.finished("c7", Outcome(1, 1), 0.0)
    gate.aborted("c7", 0.0)
    gate.answered("c7", 0.0)
    assert not gate.failed("c7", 0.0)
    assert gate.pool("a") == Pool(1_000_000, 0, 0, 0, 0)

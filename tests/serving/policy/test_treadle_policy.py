"""Treadle's scheduling policy, asked directly."""

from __future__ import annotations

import math

import pytest

from treadle.core.durations import ToolDurations
from treadle.serving.policy import Call, Hold, Outcome, Pool, ToolUse, TreadlePolicy
from treadle.serving.policy.branches import ProgramTable

CAPACITY = 100_000


def call(
    program: str, turn: int = 0, *, prompt: int = 10_000, at: float = 0.0, **more: float
) -> Call:
    return Call(f"{program}.{turn}", program, "", prompt, at, **more)  # type: ignore[arg-type]


def pool(*, running: int = 0, held: int = 0, reload_rate: float | None = None) -> Pool:
    return Pool(CAPACITY, running, held, 1 if running else 0, 0, reload_rate)


def served(
    policy: TreadlePolicy, program: str, *, at: float = 0.0, tokens: int = 10_000, tool: str = "t"
) -> float:
    """Serve one call of `program`; until when its KV is held."""
    each = call(program, at=at, prompt=tokens - 100)
    policy.arrived(each, at)
    policy.started(each, 0, at)
    return policy.finished(each, Outcome(tokens, 100, (ToolUse(tool),)), pool(), at)


def known(tool: str, seconds: float) -> ToolDurations:
    durations = ToolDurations()
    for _ in range(200):
        durations.observe(tool, seconds)
    return durations


def hold(program: str, tokens: int = 10_000) -> Hold:
    return Hold(program, "", tokens, 0.0, 300.0)


def test_a_program_whose_kv_is_held_goes_before_those_that_hold_none() -> None:
    policy = TreadlePolicy()
    older = call("older", at=0.0)
    policy.arrived(older, 0.0)
    served(policy, "held", at=1.0)
    back = call("held", 1, at=2.0)
    policy.arrived(back, 2.0)
    assert policy.rank(back, 2.0) < policy.rank(older, 2.0)


def test_programs_that_hold_nothing_go_by_the_arrival_of_the_program() -> None:
    policy = TreadlePolicy()
    served(policy, "first", at=0.0)
    served(policy, "second", at=1.0)
    policy.release(call("x"), 20_000, [hold("first"), hold("second")], pool(), 2.0, must=True)
    later = call("first", 1, at=20.0)
    sooner = call("second", 1, at=10.0)
    policy.arrived(sooner, 10.0)
    policy.arrived(later, 20.0)
    assert policy.rank(later, 20.0) < policy.rank(sooner, 20.0)


def test_a_short_program_overtakes_a_long_one_that_came_a_little_before_it_only() -> None:
    policy = TreadlePolicy()
    long = call("long", at=0.0, remaining_calls=100)
    soon = call("soon", at=10.0, remaining_calls=2)
    late = call("late", at=100_000.0, remaining_calls=2)
    for each in (long, soon, late):
        policy.arrived(each, each.arrived)
    order = sorted((late, long, soon), key=lambda each: policy.rank(each, 0.0))
    assert [each.program_id for each in order] == ["soon", "long", "late"]


def test_a_deadline_comes_before_an_earlier_arrival() -> None:
    policy = TreadlePolicy()
    calm = call("calm", at=100.0, remaining_seconds=5.0)
    lazy = call("lazy", at=200.0, deadline=100_000.0, remaining_seconds=5.0)
    pressing = call("pressing", at=200.0, deadline=-500.0, remaining_seconds=5.0)
    for each in (calm, lazy, pressing):
        policy.arrived(each, each.arrived)
    order = sorted((lazy, calm, pressing), key=lambda each: policy.rank(each, 200.0))
    assert [each.program_id for each in order] == ["pressing", "calm", "lazy"]


def test_a_program_is_admitted_when_it_fits_beside_what_is_held_and_the_reserve() -> None:
    policy = TreadlePolicy()
    new = call("new", prompt=20_000)
    policy.arrived(new, 0.0)
    assert policy.admits(new, pool(running=30_000, held=40_000), 0.0)
    assert not policy.admits(new, pool(running=30_000, held=40_001), 0.0)


def test_nobody_is_admitted_past_the_first_in_rank_for_being_smaller() -> None:
    policy = TreadlePolicy()
    large, small = call("large", prompt=60_000, at=0.0), call("small", prompt=10, at=1.0)
    policy.arrived(large, 0.0)
    policy.arrived(small, 1.0)
    assert not policy.admits(large, pool(running=50_000), 1.0)
    assert not policy.admits(small, pool(running=50_000), 1.0)
    policy.aborted(large, 2.0)
    assert policy.admits(small, pool(running=50_000), 2.0)


def test_a_program_that_came_back_to_its_kv_is_always_admitted() -> None:
    policy = TreadlePolicy()
    served(policy, "p")
    back = call("p", 1, at=1.0)
    policy.arrived(back, 1.0)
    assert policy.admits(back, pool(running=CAPACITY), 1.0)


def test_calls_without_a_program_are_admitted_by_arrival_and_not_held() -> None:
    policy = TreadlePolicy()
    waiting = call("program", prompt=99_000, at=0.0)
    policy.arrived(waiting, 0.0)
    plain = Call("plain", "", "", 10, 5.0)
    policy.arrived(plain, 5.0)
    assert not policy.admits(waiting, pool(running=50_000), 5.0)
    assert policy.admits(plain, pool(running=50_000), 5.0)
    policy.started(plain, 0, 5.0)
    assert policy.finished(plain, Outcome(20, 10), pool(), 6.0) <= 6.0


@pytest.mark.parametrize(("usual", "lets_go"), [(1.0, False), (100_000.0, True)])
def test_a_hold_is_let_go_when_the_program_is_not_likely_to_be_back_in_time(
    usual: float, lets_go: bool
) -> None:
    policy = TreadlePolicy(known("t", usual))
    served(policy, "away", tool="t")
    new = call("new", prompt=95_000, at=0.1)
    policy.arrived(new, 0.1)
    # Break-even: 100,000 tokens at 25,000 a second, 4 s.
    assert policy.admits(new, pool(held=10_000), 0.1) is False
    chosen = policy.release(new, 5_000, [hold("away")], pool(held=10_000), 0.1, must=False)
    assert [each.program_id for each in chosen] == (["away"] if lets_go else [])


def test_the_longer_a_tool_has_taken_the_less_its_hold_is_worth() -> None:
    policy = TreadlePolicy(known("t", 1.0))
    served(policy, "stuck", at=0.0, tool="t")
    served(policy, "fresh", at=250.0, tool="t")
    holds = [hold("fresh"), hold("stuck")]
    chosen = policy.release(call("x"), 5_000, holds, pool(held=20_000), 250.1, must=True)
    assert [each.program_id for each in chosen] == ["stuck"]


def test_what_must_be_had_is_had_and_what_is_in_vain_is_not_let_go() -> None:
    policy = TreadlePolicy(known("t", 1.0))
    served(policy, "a", tool="t")
    served(policy, "b", tool="t")
    holds = [hold("a"), hold("b")]
    assert len(policy.release(call("x"), 15_000, holds, pool(), 0.1, must=True)) == 2
    policy = TreadlePolicy(known("t", 100_000.0))
    served(policy, "a", tool="t")
    assert policy.release(call("x"), 15_000, [hold("a")], pool(), 0.1, must=False) == ()


def test_what_a_hint_expects_counts_more_than_what_was_seen() -> None:
    policy = TreadlePolicy(known("t", 0.01))
    each = call("p")
    policy.arrived(each, 0.0)
    policy.started(each, 0, 0.0)
    told = (ToolUse("t", expected_seconds=5_000.0),)
    policy.finished(each, Outcome(10_000, 100, told), pool(), 0.0)
    new = call("new", prompt=95_000, at=0.1)
    assert policy.release(new, 5_000, [hold("p")], pool(), 0.1, must=False)


def test_the_last_call_of_a_branch_leaves_nothing_that_is_worth_anything() -> None:
    policy = TreadlePolicy()
    each = call("p")
    policy.arrived(each, 0.0)
    policy.started(each, 0, 0.0)
    assert policy.finished(each, Outcome(10_000, 100, last=True), pool(), 1.0) == -math.inf


def test_a_hold_ends_after_the_longest_time_in_any_case() -> None:
    assert served(TreadlePolicy(longest_hold_seconds=7.0), "p", at=1.0) == 8.0


def test_it_learns_how_many_calls_programs_make() -> None:
    policy = TreadlePolicy()
    for number in range(300):
        served(policy, f"p{number}")
        policy.ended(f"p{number}", 0.0)
    # With programs of one call, 40 to come is far more than usual.
    usual, longer = call("usual", at=0.0), call("longer", at=-5.0, remaining_calls=40)
    policy.arrived(usual, 0.0)
    policy.arrived(longer, 0.0)
    assert policy.rank(usual, 0.0) < policy.rank(longer, 0.0)


def test_a_hold_that_the_engine_ended_is_no_longer_counted_on() -> None:
    policy = TreadlePolicy()
    served(policy, "p")
    policy.lost("p", "", 1.0)
    back = call("p", 1, at=2.0)
    policy.arrived(back, 2.0)
    assert not policy.admits(back, pool(running=CAPACITY), 2.0)


def test_an_idle_engine_takes_what_fits_without_a_reserve() -> None:
    policy = TreadlePolicy(known("t", 1.0))
    served(policy, "away", tool="t")
    new = call("new", prompt=90_000, at=0.1)
    policy.arrived(new, 0.1)
    idle = Pool(CAPACITY, 0, 10_000, 0, 1)
    assert policy.admits(new, idle, 0.1)
    assert not policy.admits(new, Pool(CAPACITY, 1, 10_000, 1, 1), 0.1)


def test_what_it_remembers_of_holds_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProgramTable, "MOST", 3)
    policy = TreadlePolicy(longest_hold_seconds=10.0)
    for number in range(20):
        # Forgotten by the table, and never said to be lost or over.
        served(policy, f"p{number}", at=float(number))
    new = call("new", prompt=99_000, at=100.0)
    policy.arrived(new, 100.0)
    assert not policy.admits(new, pool(running=50_000), 100.0)
    assert len(policy._away) == 0


TIERED = 50_000.0
"""Tokens a second: with 100,000 in the pool, holding pays for two seconds."""


def away(policy: TreadlePolicy, program: str) -> None:
    """`program` runs a tool since 0, and what it had was let go at 1."""
    served(policy, program, at=0.0)
    policy.release(call("x"), 10_000, [hold(program)], pool(), 1.0, must=True)


def test_what_was_demoted_is_brought_back_just_before_the_tool_ends() -> None:
    policy = TreadlePolicy(known("t", 30.0))
    away(policy, "P")
    now = 1.0
    while (at := policy.prefetch("P", "", pool(reload_rate=TIERED), now)) > now:
        assert at - now <= 1.0, "it may be told sooner that it is likely"
        now = at
    # Durations are known by ranges of a few percent.
    assert 26.0 < now < 30.0
    until = policy.prefetched("P", "", pool(reload_rate=TIERED), now)
    assert until > 30.0
    back = call("P", 1, at=30.0)
    policy.arrived(back, 30.0)
    waiting = call("other", at=29.0)
    policy.arrived(waiting, 30.0)
    assert policy.rank(back, 30.0) < policy.rank(waiting, 30.0), "it has its KV again"


def test_nothing_is_brought_back_into_room_that_running_programs_need() -> None:
    policy = TreadlePolicy(known("t", 30.0))
    away(policy, "P")
    full = pool(running=89_000, reload_rate=TIERED)
    assert policy.prefetch("P", "", full, 29.2) > 29.2
    assert policy.prefetch("P", "", pool(reload_rate=TIERED), 29.2) == 29.2


def test_what_was_let_go_again_is_left_alone_for_as_long_as_it_was_away() -> None:
    policy = TreadlePolicy(known("t", 30.0))
    away(policy, "P")
    tiered = pool(reload_rate=TIERED)
    policy.prefetched("P", "", tiered, 28.0)
    policy.lost("P", "", 28.5)
    assert policy.prefetch("P", "", tiered, 29.0) == pytest.approx(56.0)


def test_nothing_is_brought_back_for_what_is_over_or_not_known() -> None:
    policy = TreadlePolicy(known("t", 30.0))
    away(policy, "P")
    policy.ended("P", 20.0)
    assert policy.prefetch("P", "", pool(reload_rate=TIERED), 29.0) == math.inf
    assert policy.prefetch("nobody", "", pool(reload_rate=TIERED), 29.0) == math.inf
    assert policy.prefetched("nobody", "", pool(reload_rate=TIERED), 29.0) == 29.0


def test_a_tool_that_may_take_any_time_is_not_foretold() -> None:
    durations = ToolDurations()
    for seconds in (1.0, 3.0, 10.0, 30.0, 100.0, 300.0) * 40:
        durations.observe("t", seconds)
    policy = TreadlePolicy(durations)
    away(policy, "P")
    tiered = pool(reload_rate=TIERED)
    assert all(policy.prefetch("P", "", tiered, now / 4) > now / 4 for now in range(4, 400))

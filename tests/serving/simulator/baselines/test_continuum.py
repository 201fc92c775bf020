from __future__ import annotations

import math

import pytest
from tests.serving.simulator.baselines.calls import call, outcome, pool

from treadle.serving.simulator.baselines import ContinuumPolicy
from treadle.serving.simulator.baselines.costs import prefill_seconds
from treadle.serving.simulator.hardware import Hardware

HARDWARE = Hardware()


def turn(policy: ContinuumPolicy, number: int, *, arrives: float, starts: float) -> float | None:
    """The next call of program p, which ends as it starts; the seconds of its pin."""
    each = call("p", number, at=arrives)
    policy.arrived(each, arrives)
    policy.started(each, 0, starts)
    policy.finished(each, outcome(30_000), pool(), starts)
    return policy.pin_seconds(each, outcome(30_000), pool(), starts)


def test_nothing_is_pinned_before_anything_is_known() -> None:
    # ln(0 + reload) with a reload of less than a second.
    assert 0.0 < prefill_seconds(HARDWARE, 10_000) < 1.0
    policy = ContinuumPolicy(HARDWARE)
    policy.arrived(call("p"), 0.0)
    policy.started(call("p"), 0, 0.0)
    assert policy.finished(call("p"), outcome(10_000), pool(), 1.0) == 1.0


def test_at_first_durations_are_taken_for_exponential() -> None:
    policy = ContinuumPolicy(HARDWARE)
    seconds = turn(policy, 0, arrives=0.0, starts=40.0)
    # tau* = ln(T + reload), T the 40 seconds that the one call waited.
    assert seconds == pytest.approx(math.log(40.0 + prefill_seconds(HARDWARE, 30_000)))


def test_then_the_durations_of_all_tools_then_of_this_one_are_used() -> None:
    policy = ContinuumPolicy(HARDWARE)
    now = 0.0
    seconds: float | None = None
    for number in range(102):
        # A gap of 3 s, each call waits 10 s.
        seconds = turn(policy, number, arrives=now, starts=now + 10.0)
        now += 13.0
    # P(3) = 1 of 101 durations: worth 10 + reload - 3, more than nothing.
    assert seconds == pytest.approx(3.0)
    unknown = outcome(30_000, tool="Read")
    assert policy.pin_seconds(call("p"), unknown, pool(), now) == pytest.approx(3.0)


def test_a_pin_that_costs_more_than_it_saves_is_not_made() -> None:
    policy = ContinuumPolicy(HARDWARE)
    now = 0.0
    seconds: float | None = 1.0
    for number in range(102):
        seconds = turn(policy, number, arrives=now, starts=now)
        now += 300.0
    assert seconds is None


def test_with_a_cpu_tier_reloading_counts() -> None:
    tier = Hardware(cpu_tokens=100_000)
    policy = ContinuumPolicy(tier)
    each = call("p")
    policy.arrived(each, 0.0)
    policy.started(each, 0, 40.0)
    reload = 30_000 * tier.kv_bytes / tier.cpu_bandwidth
    assert policy.pin_seconds(each, outcome(30_000), pool(), 40.0) == pytest.approx(
        math.log(40.0 + reload)
    )


def test_tools_that_take_no_time_find_their_pin() -> None:
    policy = ContinuumPolicy(HARDWARE)
    now = 0.0
    for number in range(102):
        now += 10.0
        turn(policy, number, arrives=now - 10.0, starts=now)
    policy.arrived(call("p", 102), now)
    policy.arrived(call("q"), now)
    # It came back at once: its pin, of no time, is still there.
    assert policy.rank(call("p", 102), now) < policy.rank(call("q"), now)

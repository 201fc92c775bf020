from __future__ import annotations

import pytest
from tests.serving.simulator.baselines.calls import call, outcome, pool

from treadle.serving.policy.contract import Call
from treadle.serving.simulator.baselines import ThunderAgentPolicy
from treadle.serving.simulator.hardware import Hardware

HARDWARE = Hardware(pool_tokens=1_000)


def arrives(policy: ThunderAgentPolicy, program: str, prompt: int, *, at: float = 0.0) -> Call:
    each = call(program, at=at, prompt=prompt)
    policy.arrived(each, at)
    return each


def admitted(policy: ThunderAgentPolicy, each: Call, now: float) -> bool:
    first = policy.admits(each, pool(), now)
    assert policy.admits(each, pool(), now) == first
    return first


def test_new_programs_go_on_as_long_as_they_fit_and_none_waits() -> None:
    policy = ThunderAgentPolicy(HARDWARE)
    # 100 tokens are set aside for each.
    assert admitted(policy, arrives(policy, "a", 400), 0.0)
    assert not admitted(policy, arrives(policy, "b", 401), 0.0)
    # It would fit, but another one waits.
    assert not admitted(policy, arrives(policy, "c", 100), 0.0)


def test_what_waits_is_resumed_every_five_seconds_the_smallest_first() -> None:
    policy = ThunderAgentPolicy(HARDWARE)
    running = arrives(policy, "a", 400)
    large, small = arrives(policy, "b", 401), arrives(policy, "c", 100)
    assert not admitted(policy, small, 4.9)
    assert admitted(policy, small, 5.0)
    assert not admitted(policy, large, 5.0)
    policy.started(running, 0, 5.0)
    policy.finished(running, outcome(450, last=True), pool(), 6.0)
    policy.ended("a", 6.0)
    assert not admitted(policy, large, 9.9)
    assert admitted(policy, large, 10.0)


def test_programs_whose_tool_runs_are_paused_first() -> None:
    policy = ThunderAgentPolicy(HARDWARE)
    computing, acting = arrives(policy, "a", 300), arrives(policy, "b", 300)
    for each in (computing, acting):
        policy.started(each, 0, 0.0)
    # 300 + 750 and 2 * 100 are more than 1,000.
    policy.finished(acting, outcome(750), pool(), 1.0)
    again = call("b", 1, at=5.5, prompt=760)
    assert admitted(policy, computing, 5.0)
    policy.arrived(again, 5.5)
    assert not admitted(policy, again, 5.5)
    policy.finished(computing, outcome(310, last=True), pool(), 6.0)
    policy.ended("a", 6.0)
    assert admitted(policy, again, 10.0)


def test_a_program_that_computes_is_paused_when_its_call_has_ended() -> None:
    policy = ThunderAgentPolicy(HARDWARE)
    first, second = arrives(policy, "a", 300), arrives(policy, "b", 390)
    for each in (first, second):
        policy.started(each, 0, 0.0)
        policy.finished(each, outcome(500), pool(), 1.0)
    again = call("a", 1, at=2.0, prompt=550), call("b", 1, at=2.0, prompt=560)
    for each in again:
        policy.arrived(each, 2.0)
        assert admitted(policy, each, 2.0)
    # Both compute at 5, and are too large together: the smaller is marked, not stopped.
    assert admitted(policy, again[0], 5.0)
    policy.finished(again[0], outcome(555), pool(), 6.0)
    third = call("a", 2, at=6.5, prompt=600)
    policy.arrived(third, 6.5)
    assert not admitted(policy, third, 6.5)


@pytest.mark.parametrize("decay", [False, True])
def test_decay_makes_room_for_others_while_a_tool_runs(decay: bool) -> None:
    policy = ThunderAgentPolicy(HARDWARE, decay=decay)
    first = arrives(policy, "a", 600)
    policy.started(first, 0, 0.0)
    policy.finished(first, outcome(620), pool(), 1.0)
    second = arrives(policy, "b", 700, at=1.0)
    # Four seconds later `a` counts a sixteenth: 39 + 100 and 700 + 100 fit.
    assert policy.admits(second, pool(), 5.0) is decay

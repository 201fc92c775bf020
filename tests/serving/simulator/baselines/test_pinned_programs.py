from __future__ import annotations

import math

from tests.serving.simulator.baselines.calls import call, hold, outcome, pool

from treadle.serving.policy.contract import Call
from treadle.serving.simulator.baselines import ContinuumPreviewPolicy


def first_turn(policy: ContinuumPreviewPolicy, program: str, *, at: float) -> None:
    """A program whose first call comes and ends at once."""
    policy.arrived(call(program, at=at), at)
    policy.started(call(program, at=at), 0, at)
    policy.finished(call(program, at=at), outcome(), pool(), at)


def order(policy: ContinuumPreviewPolicy, calls: list[Call], now: float) -> list[str]:
    return [each.call_id for each in sorted(calls, key=lambda each: policy.rank(each, now))]


def test_preempted_then_pinned_then_the_program_that_came_first() -> None:
    policy = ContinuumPreviewPolicy()
    first_turn(policy, "old", at=0.0)
    first_turn(policy, "pinned", at=4.0)
    policy.arrived(call("new", at=4.5), 4.5)
    # Two seconds after 0 the pin of `old` has run out, at 5 that of `pinned` has not.
    late = [call("old", 1, at=5.0), call("pinned", 1, at=5.0)]
    for each in late:
        policy.arrived(each, 5.0)
    waiting = [call("new", at=4.5), *late]
    assert order(policy, waiting, 5.0) == ["pinned.1", "old.1", "new.0"]
    policy.started(waiting[0], 0, 5.0)
    policy.preempted(waiting[0], 6.0)
    assert order(policy, waiting, 6.0) == ["new.0", "pinned.1", "old.1"]
    # A pin whose call waits lasts, however long.
    assert order(policy, waiting, 60.0) == ["new.0", "pinned.1", "old.1"]


def test_the_last_call_is_not_pinned() -> None:
    policy = ContinuumPreviewPolicy()
    policy.arrived(call("a"), 0.0)
    policy.started(call("a"), 0, 0.0)
    assert policy.finished(call("a"), outcome(last=True), pool(), 3.0) == 3.0


def test_room_comes_from_what_has_run_out_and_from_pins_when_it_must() -> None:
    policy = ContinuumPreviewPolicy()
    for program, at in (("a", 0.0), ("b", 1.0), ("c", 2.0), ("d", 9.0)):
        policy.arrived(call(program, at=at), at)
    for program, at in (("a", 5.0), ("b", 9.0), ("c", 9.5), ("d", 9.6)):
        policy.started(call(program), 0, at)
        assert policy.finished(call(program), outcome(), pool(), at) == math.inf
    holds = [hold(program) for program in "abcd"]
    asking = call("e", at=10.0)
    policy.arrived(asking, 10.0)
    # Only the pin of `a` has run out by 10.
    freed = policy.release(asking, 250, holds, pool(), 10.0, must=False)
    assert [each.program_id for each in freed] == ["a"]
    # 250 tokens: what is left of `a` counts, then the programs that came last.
    freed = policy.release(asking, 250, holds, pool(), 10.0, must=True)
    assert [each.program_id for each in freed] == ["a", "d", "c"]


def test_a_tool_that_takes_as_long_as_the_pin_finds_it() -> None:
    policy = ContinuumPreviewPolicy()
    first_turn(policy, "late", at=0.0)
    first_turn(policy, "just", at=1.0)
    policy.arrived(call("late", 1, at=3.0), 3.0)
    policy.arrived(call("just", 1, at=3.0), 3.0)
    late, just = call("late", 1, at=3.0), call("just", 1, at=3.0)
    assert order(policy, [late, just], 3.0) == ["just.1", "late.1"]

from __future__ import annotations

from tests.serving.simulator.baselines.calls import call, outcome, pool

from treadle.serving.simulator.baselines import AutellixPolicy


def served(policy: AutellixPolicy, program: str, seconds: float) -> None:
    each = call(program)
    policy.arrived(each, 0.0)
    policy.started(each, 0, 0.0)
    assert policy.finished(each, outcome(), pool(), seconds) == seconds


def test_the_program_that_was_served_least_comes_first() -> None:
    policy = AutellixPolicy()
    served(policy, "much", 9.0)
    served(policy, "some", 3.0)
    waiting = [call("much", 1, at=10.0), call("some", 1, at=11.0), call("new", at=12.0)]
    for each in waiting:
        policy.arrived(each, each.arrived)
    ranks = {each.program_id: policy.rank(each, 12.0) for each in waiting}
    # Queues: below 1 s; 1 to 2; 2 to 4; 4 to 8; 8 to 16.
    assert ranks == {"new": (0.0, 12.0), "some": (2.0, 11.0), "much": (4.0, 10.0)}


def test_within_a_queue_the_first_comes_first() -> None:
    policy = AutellixPolicy()
    served(policy, "a", 3.5)
    served(policy, "b", 2.5)
    first, second = call("a", 1, at=4.0), call("b", 1, at=5.0)
    policy.arrived(first, 4.0)
    policy.arrived(second, 5.0)
    assert policy.rank(first, 6.0) < policy.rank(second, 6.0)


def test_who_has_waited_too_long_is_not_starved() -> None:
    policy = AutellixPolicy(beta=5.0)
    served(policy, "much", 9.0)
    each = call("much", 1, at=10.0)
    policy.arrived(each, 10.0)
    assert policy.rank(each, 10.0 + 45.0)[0] == 4.0
    assert policy.rank(each, 10.0 + 45.1)[0] == 0.0


def test_preempted_service_counts() -> None:
    policy = AutellixPolicy()
    each = call("a")
    policy.arrived(each, 0.0)
    policy.started(each, 0, 0.0)
    policy.preempted(each, 1.5)
    assert policy.rank(each, 1.5)[0] == 1.0

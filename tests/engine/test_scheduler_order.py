# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""Which waiting call starts next, and which may not yet."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("vllm")

from tests.engine.scheduler_harness import (
    Bench,
    HoldingPolicy,
    RequestStatus,
    bench,
    call,
    check_blocks,
    model_folder,
    text,
)

from treadle.serving.policy import Call, Pool, Rank


@pytest.fixture
def model(tmp_path: Path) -> str:
    return model_folder(tmp_path)


class ShortestFirst(HoldingPolicy):
    """By length; `refused` are not admitted."""

    def __init__(self, *refused: str, seconds: float = -1) -> None:
        super().__init__(seconds)
        self.refused = set(refused)
        self.asked: list[str] = []
        self.ranked: list[str] = []
        self.pools: list[Pool] = []

    def rank(self, call: Call, now: float) -> Rank:
        self.ranked.append(call.call_id)
        return (float(call.prompt_tokens),)

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        self.asked.append(call.call_id)
        self.pools.append(pool)
        return call.call_id not in self.refused


def started(side: Bench) -> list[str]:
    told = side.scheduler.program_policy.told
    return [name for what, name in told if what == "started"]


def test_the_policy_orders_what_waits(model: str) -> None:
    side = bench(model, program_policy=ShortestFirst(), max_running=1)
    for n, tokens in enumerate((300, 100, 200)):
        # Calls that belong to no program take part.
        side.add(call(f"r{n}", text(n, tokens), program=None if n == 2 else f"P{n}"))
    side.run()
    assert started(side) == ["r1", "r2", "r0"]
    check_blocks(side.scheduler)


def test_a_late_arrival_takes_its_place(model: str) -> None:
    side = bench(model, program_policy=ShortestFirst(), max_running=1)
    for n, tokens in enumerate((150, 300, 100)):
        side.add(call(f"r{n}", text(n, tokens), program="P"))
        side.step()
    side.run()
    assert started(side) == ["r0", "r2", "r1"]


def test_priority_comes_before_the_policy(model: str) -> None:
    side = bench(model, program_policy=ShortestFirst(), max_running=1, policy="priority")
    for n, (tokens, priority) in enumerate(((100, 2), (300, 1), (200, 1))):
        side.add(call(f"r{n}", text(n, tokens), program="P", priority=priority))
    side.run()
    assert started(side) == ["r2", "r1", "r0"]


def test_what_is_not_admitted_waits_and_is_counted(model: str) -> None:
    policy = ShortestFirst("r0")
    side = bench(model, program_policy=policy)
    side.add(call("r0", text(0, 50), program="P", output=2))
    side.add(call("r1", text(1, 100), program="Q", output=6))
    side.step()
    assert started(side) == ["r1"]
    assert side.scheduler.get_request_counts() == (1, 1)
    assert next(iter(side.scheduler.waiting)).request_id == "r0"
    side.run()
    # Refused for as long as anything ran; then it was the first of those that waited.
    assert started(side) == ["r1", "r0"]


def test_a_refusal_is_asked_again_when_something_changed(model: str) -> None:
    policy = ShortestFirst("r0")
    side = bench(model, program_policy=policy)
    side.add(call("r0", text(0, 50), program="P"))
    side.add(call("r1", text(1, 100), program="Q", output=200))
    side.add(call("r2", text(2, 100), program="Q", output=3))
    side.step()
    policy.refused.clear()
    side.step()
    assert policy.asked.count("r0") == 1, "nothing had changed"
    side.step()
    side.step()
    assert "r2" in side.finished
    assert started(side) == ["r1", "r2", "r0"]


def test_a_refusal_does_not_last_where_nothing_is_heard_of(model: str) -> None:
    """A policy may admit a call for the time that it has waited."""
    policy = ShortestFirst("r0")
    side = bench(model, program_policy=policy)
    side.add(call("r0", text(0, 50), program="P"))
    side.add(call("r1", text(1, 100), program="Q", output=200))
    side.step()
    policy.refused.clear()
    side.step(seconds=0.3)
    side.step()
    assert started(side) == ["r1", "r0"]


def test_with_nothing_running_somebody_starts(model: str) -> None:
    side = bench(model, program_policy=ShortestFirst("r0", "r1", "r2"))
    for n, tokens in enumerate((300, 100, 200)):
        side.add(call(f"r{n}", text(n, tokens), program="P"))
    side.step()
    assert started(side) == ["r1"]
    side.run()
    assert started(side) == ["r1", "r2", "r0"]


def test_the_policy_sees_the_pool(model: str) -> None:
    policy = ShortestFirst(seconds=60)
    side = bench(model, program_policy=policy, blocks=65)
    side.add(call("a", text(0, 160), program="P"))
    side.run()
    side.add(call("b", text(1, 200), program="Q"))
    side.add(call("c", text(2, 300), program="R"))
    side.step()
    assert policy.pools[-2] == Pool(1024, 0, 160, 0, 2)
    assert policy.pools[-1] == Pool(1024, 208, 160, 1, 1)
    assert policy.pools[-1].free == 1024 - 208 - 160


def test_ranks_are_kept_while_nothing_changes(model: str) -> None:
    policy = ShortestFirst()
    side = bench(model, program_policy=policy, max_running=1)
    side.add(call("runs", text(0, 20), program="P", output=300))
    for n in range(20):
        side.add(call(f"r{n}", text(n, 100 + n), program="P"))
    side.step(0.001)
    before = len(policy.ranked)
    for _ in range(100):
        side.step(0.001)
    assert len(policy.ranked) == before


def test_what_a_pass_skips_keeps_its_place(model: str) -> None:
    """A call whose grammar is not ready is passed over, and nothing else changes."""
    side = bench(model, program_policy=HoldingPolicy(-1), max_running=1)
    side.add(call("runs", text(0, 20), program="P", output=30))
    side.step()
    requests = [call(f"r{n}", text(n, 30), program="P") for n in range(5)]
    for request in requests:
        side.add(request)
    side.scheduler.max_num_active_reqs = side.scheduler.max_num_running_reqs = 2
    requests[0].status = RequestStatus.WAITING_FOR_STRUCTURED_OUTPUT_GRAMMAR
    requests[1].status = RequestStatus.WAITING_FOR_STRUCTURED_OUTPUT_GRAMMAR
    side.step()
    assert started(side) == ["runs", "r2"]
    assert [each.request_id for each in side.scheduler.waiting] == ["r0", "r1", "r3", "r4"]
    requests[0].status = requests[1].status = RequestStatus.WAITING
    side.run()
    assert started(side) == ["runs", "r2", "r0", "r1", "r3", "r4"]


def test_a_waiting_call_that_is_aborted_is_gone(model: str) -> None:
    side = bench(model, program_policy=ShortestFirst(), max_running=1)
    for n, tokens in enumerate((300, 100, 200)):
        side.add(call(f"r{n}", text(n, tokens), program="P"))
    side.step()
    side.scheduler.finish_requests("r2", RequestStatus.FINISHED_ABORTED)
    side.run()
    assert started(side) == ["r1", "r0"]

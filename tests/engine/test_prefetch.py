# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""KV that comes back from a CPU tier before the call that needs it: vLLM's OffloadingConnector
behind the scheduler, with workers that move nothing."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest

pytest.importorskip("vllm")

from tests.engine.offloading import TierWorkers
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

from treadle.serving.policy import Pool, TreadlePolicy
from treadle.serving.vllm_plugin.policy_order import IDLE_PATIENCE
from treadle.serving.vllm_plugin.settings import EngineSettings
from treadle.serving.vllm_plugin.tier_loads import PREFIX

FIRST = 160
"""Tokens of the context that is let go and brought back."""


class BringsBack(HoldingPolicy):
    """Lets everything go when asked, and brings it back at `at`."""

    def __init__(self) -> None:
        super().__init__(release="all")
        self.at = math.inf
        self.asked: list[float] = []
        self.gone: list[str] = []

    def prefetch(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        self.asked.append(now)
        assert pool.reload_rate is not None
        return self.at if self.at > now else now

    def prefetched(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        self.told.append(("prefetched", program_id))
        return now + self.seconds

    def lost(self, program_id: str, branch: str, now: float) -> None:
        self.gone.append(program_id)


@pytest.fixture
def policy() -> BringsBack:
    return BringsBack()


@pytest.fixture(params=[False, True], ids=["synchronous", "asynchronous"])
def side(request: pytest.FixtureRequest, tmp_path: Path, policy: BringsBack) -> Bench:
    """An engine in which program P had a context that others have driven out."""
    made = bench(
        model_folder(tmp_path),
        program_policy=policy,
        connector="offloading",
        blocks=65,
        asynchronous=request.param,
    )
    made.tier = TierWorkers(3)
    policy.at = made.clock.now + 30
    made.add(call("a", text(1, FIRST), program="P"))
    made.run()
    fill(made)
    assert made.scheduler.program_counters().pressure_releases == 1
    return made


def fill(side: Bench) -> None:
    """A call of nobody's that takes all of the pool, and is gone again."""
    side.add(call(f"filler{len(side.finished)}", text(len(side.finished) + 500, 1014), output=2))
    side.run()


def steps(side: Bench, most: int) -> None:
    """As an engine does: only while there is something to do."""
    for _ in range(most):
        if side.scheduler.has_requests():
            side.step()
    side.drain()


def test_what_was_driven_out_is_there_when_the_call_comes(side: Bench, policy: BringsBack) -> None:
    workers = side.tier
    assert isinstance(workers, TierWorkers)
    side.clock.now = policy.at
    steps(side, 8)
    assert workers.loads == [f"{PREFIX}0"]
    counters = side.scheduler.program_counters()
    assert (counters.prefetches, counters.prefetched_tokens, counters.held) == (1, FIRST, 1)
    side.add(call("b", text(1, FIRST) + text(2, 40), program="P"))
    side.run()
    assert workers.loads == [f"{PREFIX}0"]
    assert policy.started_with["b"] == FIRST
    assert side.scheduler.program_counters().prefetch_hits == 1
    assert PREFIX not in "".join(side.finished)
    assert not policy.gone
    check_blocks(side.scheduler)


def test_an_idle_engine_wakes_for_it_and_for_nothing_else(side: Bench, policy: BringsBack) -> None:
    steps(side, 4)
    assert not side.scheduler.has_requests()
    asked = len(policy.asked)
    assert not side.scheduler.has_requests()
    assert len(policy.asked) == asked, "it is asked at the time that it said"
    side.clock.now = policy.at
    assert side.scheduler.has_requests()


def test_a_call_that_comes_meanwhile_waits_for_the_same_load(
    side: Bench, policy: BringsBack
) -> None:
    workers = side.tier
    assert isinstance(workers, TierWorkers)
    side.clock.now = policy.at
    side.step()
    side.add(call("b", text(1, FIRST) + text(2, 40), program="P"))
    side.run()
    assert workers.loads == [f"{PREFIX}0"]
    assert policy.started_with["b"] == FIRST
    check_blocks(side.scheduler)


def test_a_call_that_is_back_already_loads_for_itself(side: Bench, policy: BringsBack) -> None:
    workers = side.tier
    assert isinstance(workers, TierWorkers)
    side.add(call("b", text(1, FIRST) + text(2, 40), program="P"))
    side.clock.now = policy.at
    side.run()
    assert workers.loads == ["b"]
    assert side.scheduler.program_counters().prefetches == 0


def test_nothing_comes_for_a_program_that_is_over(side: Bench, policy: BringsBack) -> None:
    side.clock.now = policy.at
    side.step()
    side.scheduler.end_program("P")
    steps(side, 8)
    assert side.scheduler.program_counters().held == 0
    pool = side.scheduler.kv_cache_manager.block_pool
    assert pool.get_num_free_blocks() == pool.num_gpu_blocks - 1


def test_nothing_is_brought_back_once_a_program_is_over(side: Bench, policy: BringsBack) -> None:
    """Also where the policy, were it asked, would still say yes."""
    workers = side.tier
    assert isinstance(workers, TierWorkers)
    steps(side, 4)
    asked = len(policy.asked)
    side.scheduler.end_program("P")
    side.clock.now = policy.at
    assert not side.scheduler.has_requests()
    side.add(call("b", text(9, 40), program="Q"))
    side.run()
    assert len(policy.asked) == asked
    assert not workers.loads
    counters = side.scheduler.program_counters()
    assert (counters.prefetches, counters.held) == (0, 1)
    check_blocks(side.scheduler)


def test_without_room_it_is_tried_again(side: Bench, policy: BringsBack) -> None:
    workers = side.tier
    assert isinstance(workers, TierWorkers)
    side.add(call("long", text(9, 880), output=60))
    side.step()
    side.clock.now = policy.at
    for _ in range(5):
        side.step()
    assert not workers.loads
    side.run()
    side.clock.now += 1
    steps(side, 8)
    assert len(workers.loads) == 1
    assert side.scheduler.program_counters().held == 1


def test_what_could_not_be_read_is_not_held(side: Bench, policy: BringsBack) -> None:
    workers = side.tier
    assert isinstance(workers, TierWorkers)
    workers.broken = True
    # What vLLM is told to do where KV turns out to be unusable: compute it.
    side.scheduler.recompute_kv_load_failures = True
    side.clock.now = policy.at
    steps(side, 8)
    assert workers.loads == [f"{PREFIX}0"]
    counters = side.scheduler.program_counters()
    assert (counters.held, counters.prefetches) == (0, 0)
    assert policy.gone == ["P"]
    workers.broken = False
    side.add(call("b", text(1, FIRST) + text(2, 40), program="P"))
    side.run()
    assert "b" in side.finished
    check_blocks(side.scheduler)


def test_a_load_that_is_given_up_leaves_nothing_behind(side: Bench, policy: BringsBack) -> None:
    side.clock.now = policy.at
    side.step()
    side.scheduler.finish_requests(None, RequestStatus.FINISHED_ABORTED)
    steps(side, 8)
    assert policy.gone == ["P"]
    assert not side.scheduler.requests
    pool = side.scheduler.kv_cache_manager.block_pool
    assert pool.get_num_free_blocks() == pool.num_gpu_blocks - 1


def test_what_is_still_cached_is_held_again_without_a_load(side: Bench, policy: BringsBack) -> None:
    workers = side.tier
    assert isinstance(workers, TierWorkers)
    policy.seconds = 5
    side.add(call("c", text(3, FIRST), program="Q"))
    side.run()
    side.clock.now += 10
    side.scheduler.has_requests()
    assert side.scheduler.program_counters().expiries == 1
    side.clock.now = policy.at
    steps(side, 8)
    counters = side.scheduler.program_counters()
    assert (counters.prefetches, counters.held) == (2, 2)
    assert counters.prefetched_tokens == FIRST, "of P; Q's was there"
    assert len(workers.loads) == 1


def test_a_connector_that_makes_the_engine_wait_is_left_alone(
    side: Bench, policy: BringsBack, caplog: pytest.LogCaptureFixture
) -> None:
    connector = side.scheduler.connector
    asked = connector.get_num_new_matched_tokens
    connector.get_num_new_matched_tokens = lambda *args: (asked(*args)[0], False)
    side.clock.now = policy.at
    with caplog.at_level(logging.WARNING, logger="treadle.serving.engine"):
        steps(side, 2)
        side.clock.now += 1
        steps(side, 2)
    assert len(caplog.records) == 1
    assert side.scheduler.program_counters().prefetches == 0
    assert not side.scheduler.requests


def test_treadles_policy_brings_back_what_is_about_to_be_needed(tmp_path: Path) -> None:
    policy = TreadlePolicy(estimate_sigma=0.01)
    # A pool of 1,024 tokens: two seconds of holding are worth a load.
    side = bench(
        model_folder(tmp_path),
        program_policy=policy,
        connector="offloading",
        blocks=65,
        settings=EngineSettings(reload_rate=512.0),
    )
    workers = side.tier = TierWorkers(2)
    hint = {"treadle_next_tool": "sleep", "treadle_next_tool_seconds": 60.0}
    side.add(call("a", text(1, FIRST), program="P", extra=hint))
    side.run()
    side.clock.now += 20
    fill(side)
    assert side.scheduler.program_counters().pressure_releases == 1
    paused = side.clock.now
    while side.clock.now < paused + 20 + IDLE_PATIENCE:
        side.clock.now += 0.5
        steps(side, 1)
    assert not workers.loads, "it is not due for long"
    side.clock.now = paused + 39.9
    steps(side, 8)
    assert workers.loads == [f"{PREFIX}0"]
    side.add(call("b", text(1, FIRST) + text(2, 40), program="P"))
    side.run()
    assert side.scheduler.program_counters().prefetch_hits == 1

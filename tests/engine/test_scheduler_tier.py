# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""A CPU tier: vLLM's OffloadingConnector behind the scheduler, with workers that move nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("vllm")

from tests.engine.offloading import TierWorkers
from tests.engine.scheduler_harness import (
    BLOCK,
    Bench,
    HoldingPolicy,
    RequestStatus,
    bench,
    call,
    check_blocks,
    full_attention,
    model_folder,
    text,
)

from treadle.serving.policy import Call, Hold, Outcome, Pool, TreadlePolicy
from treadle.serving.vllm_plugin.settings import EngineSettings
from treadle.serving.vllm_plugin.tier_rate import BYTES_PER_SECOND, TierRate


class WatchingPolicy(HoldingPolicy):
    """Remembers the pools that it saw; `refused` names calls that it does not admit."""

    def __init__(self, seconds: float = 60.0, release: str = "none") -> None:
        super().__init__(seconds, release)
        self.pools: list[Pool] = []
        self.refused: set[str] = set()

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        self.pools.append(pool)
        return call.call_id not in self.refused

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        self.pools.append(pool)
        return super().finished(call, outcome, pool, now)

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        self.pools.append(pool)
        return super().release(call, tokens, holds, pool, now, must=must)


@pytest.fixture
def model(tmp_path: Path) -> str:
    return model_folder(tmp_path)


def tiered(
    model: str, policy: HoldingPolicy | TreadlePolicy | None, steps: int = 3, **options: object
) -> tuple[Bench, TierWorkers]:
    side = bench(model, program_policy=policy, connector="offloading", **options)
    workers = TierWorkers(steps)
    side.tier = workers
    return side, workers


def evict(side: Bench, tokens: int = 900) -> None:
    """Calls of nobody's that use all of the pool that is not held."""
    side.add(call(f"filler{len(side.finished)}", text(len(side.finished) + 500, tokens), output=2))
    side.run()


@pytest.mark.parametrize("asynchronous", [False, True], ids=["synchronous", "asynchronous"])
def test_a_hold_let_go_comes_back_through_the_connector(model: str, asynchronous: bool) -> None:
    policy = WatchingPolicy(release="all")
    side, workers = tiered(model, policy, blocks=65, asynchronous=asynchronous)
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    assert workers.stores
    evict(side)
    assert side.scheduler.program_counters().pressure_releases == 1
    side.add(call("b", first + text(2, 40), program="P"))
    side.run()
    assert workers.loads == ["b"]
    assert policy.started_with["b"] == 160
    assert policy.told.count(("started", "b")) == 1
    assert side.scheduler.program_counters().held == 1
    side.step()
    check_blocks(side.scheduler)


def test_treadles_policy_demotes_and_reloads(model: str) -> None:
    side, workers = tiered(model, TreadlePolicy(), blocks=65)
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    assert side.scheduler.program_counters().held == 1
    side.clock.now += 30
    evict(side)
    side.add(call("b", first + text(2, 40), program="P"))
    side.run()
    assert workers.loads == ["b"]
    assert {"a", "b"} <= set(side.finished)
    side.step()
    check_blocks(side.scheduler)


def test_an_engine_that_loads_is_not_idle(model: str) -> None:
    policy = WatchingPolicy(release="all")
    side, workers = tiered(model, policy, steps=6, blocks=65)
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    evict(side)
    policy.how = "none"
    side.add(call("held", text(5, 320), program="H"))
    side.run()
    side.add(call("b", first + text(2, 40), program="P"))
    side.step()
    assert side.scheduler.requests["b"].status == RequestStatus.WAITING_FOR_REMOTE_KVS
    assert side.scheduler.desk.calls.loading == 1
    # One that is refused, and one that finds no room: both can wait for what is loading.
    policy.refused.add("refused")
    policy.asked_to_release.clear()
    side.add(call("refused", text(6, 32), program="R"))
    side.add(call("big", text(7, 700), program="B"))
    side.step()
    assert side.scheduler.requests["refused"].status == RequestStatus.WAITING
    assert policy.asked_to_release == [False]
    assert policy.pools[-1].running_calls == 1
    side.run()
    assert {"b", "refused", "big"} <= set(side.finished)
    assert side.scheduler.desk.calls.loading == 0
    assert workers.loads == ["b"]


def test_a_call_aborted_while_it_loads_leaves_nothing_behind(model: str) -> None:
    policy = WatchingPolicy(release="all")
    side, _ = tiered(model, policy, steps=4, blocks=65)
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    evict(side)
    side.add(call("b", first + text(2, 40), program="P"))
    side.step()
    side.scheduler.finish_requests("b", RequestStatus.FINISHED_ABORTED)
    assert side.scheduler.desk.calls.loading == 0
    assert ("aborted", "b") in policy.told
    for _ in range(6):
        side.step()
    check_blocks(side.scheduler)
    side.add(call("c", first + text(2, 40), program="P"))
    side.run()
    assert "c" in side.finished


def test_the_rate_is_expected_and_then_measured(model: str) -> None:
    policy = WatchingPolicy(release="all")
    side, _ = tiered(model, policy, steps=3, blocks=65)
    size = full_attention().page_size_bytes / BLOCK
    first = text(1, 480)
    side.add(call("a", first, program="P"))
    side.run()
    assert policy.pools[-1].reload_rate == pytest.approx(BYTES_PER_SECOND / size)
    evict(side)
    side.add(call("b", first + text(2, 40), program="P"))
    side.run()
    # 480 tokens that were there after four steps of 10 ms.
    assert policy.pools[-1].reload_rate == pytest.approx(480 / 0.04, rel=0.3)


def test_a_rate_that_was_set_stays(model: str) -> None:
    policy = WatchingPolicy(release="all")
    side, _ = tiered(model, policy, blocks=65, settings=EngineSettings(reload_rate=123.0))
    first = text(1, 480)
    side.add(call("a", first, program="P"))
    side.run()
    evict(side)
    side.add(call("b", first + text(2, 40), program="P"))
    side.run()
    assert policy.pools[-1].reload_rate == 123.0


def test_without_a_tier_there_is_no_rate(model: str) -> None:
    policy = WatchingPolicy()
    side = bench(model, program_policy=policy)
    side.add(call("a", text(1, 96), program="P"))
    side.run()
    assert policy.pools[-1].reload_rate is None


def test_loads_that_share_the_link_are_measured_together() -> None:
    tier = TierRate(None, 50_000.0)
    tier.began(1000, 0.0)
    tier.began(1000, 0.5)
    tier.ended(1.0)
    assert tier.rate == 50_000.0
    tier.ended(2.0)
    assert tier.rate == pytest.approx(1000.0)
    tier.began(16, 5.0)
    tier.ended(9.0)
    assert tier.rate == pytest.approx(1000.0), "too small to say anything"

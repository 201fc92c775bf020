# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""How the scheduler is found, configured and refused; and the vLLM that it relies on."""

from __future__ import annotations

import queue
from pathlib import Path

import pytest

pytest.importorskip("vllm")

from tests.engine.scheduler_harness import (
    Clock,
    HoldingPolicy,
    StructuredOutputManager,
    bench,
    call,
    model_folder,
    text,
    vllm_config,
)

from treadle.core.errors import ConfigError
from treadle.serving.policy import StockPolicy
from treadle.serving.vllm_plugin import versions
from treadle.serving.vllm_plugin.idle_waker import IdleWaker
from treadle.serving.vllm_plugin.policy_choice import choose_policy
from treadle.serving.vllm_plugin.settings import EngineSettings, engine_settings


def test_vllm_finds_it_by_name() -> None:
    from vllm.config import SchedulerConfig

    from treadle.serving.vllm_plugin.scheduler import ProgramScheduler

    config = SchedulerConfig(
        max_model_len=512,
        is_encoder_decoder=False,
        scheduler_cls="treadle.serving.vllm_plugin.ProgramScheduler",
    )
    assert config.get_scheduler_cls() is ProgramScheduler


def test_settings_come_from_the_configuration_before_the_environment() -> None:
    environment = {"TREADLE_ENGINE_POLICY": "vllm", "TREADLE_ENGINE_MAX_PINNED_SHARE": "0.5"}
    assert engine_settings({}, {}) == EngineSettings()
    assert engine_settings({}, environment).max_pinned_share == 0.5
    given = engine_settings({"treadle": {"policy": "treadle"}, "other": 1}, environment)
    assert given == EngineSettings(policy="treadle", max_pinned_share=0.5)


@pytest.mark.parametrize(
    "section",
    [
        {"max_pinned_share": 0},
        {"max_pinned_share": 1.5},
        {"max_pinned_share": "much"},
        {"max_pinned_share": True},
        {"policy": 3},
        {"policy": " "},
        {"reload_rate": float("inf")},
        {"patience_seconds": float("nan")},
        {"polizy": "treadle"},
        ["policy"],
    ],
)
def test_settings_that_cannot_be_are_refused(section: object) -> None:
    with pytest.raises(ConfigError) as caught:
        engine_settings({"treadle": section}, {})
    assert caught.value.code == "engine_setting"


def test_policies_by_name_and_by_place() -> None:
    assert isinstance(choose_policy("vllm"), StockPolicy)
    assert isinstance(choose_policy("treadle.serving.policy:StockPolicy"), StockPolicy)
    for bad in ("belady", "", "treadle.serving.policy:Nothing", "no.such:Policy", "queue:Queue"):
        with pytest.raises(ConfigError) as caught:
            choose_policy(bad)
        assert caught.value.code == "engine_policy"


@pytest.mark.parametrize("version", ["0.32.0", "0.33.1", "0.32.0+cpu", "0.33.0rc1"])
def test_supported_versions(version: str) -> None:
    versions.check_version(version)


@pytest.mark.parametrize("version", ["0.31.9", "0.34.0", "1.32.0", "0.3.2", "dev", "0.320.0"])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(ConfigError) as caught:
        versions.check_version(version)
    assert caught.value.code == "engine_version"
    assert version in caught.value.message


def test_the_installed_vllm_keeps_the_contract() -> None:
    versions.check_contract()


def test_a_contract_that_is_broken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "vllm.v1.core.block_pool:BlockPool"
    monkeypatch.setattr(versions, "CONTRACT", ((place, "touch", ("pages",)), (place, "hold", ())))
    with pytest.raises(ConfigError) as caught:
        versions.check_contract()
    assert caught.value.code == "engine_contract"
    assert "touch(pages)" in caught.value.message
    assert "hold" in caught.value.message


class EngineWithAnInbox:
    """Makes its scheduler in its constructor, as vLLM's engine core does."""

    def __init__(self, model: str) -> None:
        self.input_queue: queue.Queue[tuple[object, object]] = queue.Queue()
        self.side = bench(model, program_policy=HoldingPolicy(seconds=5))


def test_an_idle_engine_is_woken_when_a_hold_runs_out(tmp_path: Path) -> None:
    from vllm.v1.engine import EngineCoreRequestType

    engine = EngineWithAnInbox(model_folder(tmp_path))
    side = engine.side
    side.add(call("a", text(1, 100), program="P"))
    side.run()
    side.step()
    assert engine.input_queue.empty()
    # The clock that the waker reads jumps past the hold; a second hold makes it look.
    side.clock.now += 10
    side.add(call("b", text(2, 100), program="Q"))
    side.run()
    side.clock.now += 10
    side.scheduler.desk.holdings._waker.set(side.clock.now)
    message = engine.input_queue.get(timeout=10)
    assert message == (EngineCoreRequestType.WAKEUP, None)
    assert side.scheduler.has_requests()
    assert side.scheduler.program_counters().held == 0
    side.scheduler.shutdown()


def test_the_waker_wakes_once_for_each_time_that_is_set() -> None:
    clock = Clock()
    woken: queue.Queue[float] = queue.Queue()
    waker = IdleWaker(lambda: woken.put(clock.now), clock)
    waker.set(clock.now + 1e9)
    waker.set(clock.now - 1)
    assert woken.get(timeout=10) == clock.now
    waker.set(clock.now - 2)
    assert woken.get(timeout=10) == clock.now
    waker.close()
    waker.set(clock.now - 3)
    assert woken.empty()


def test_a_configured_scheduler_needs_nothing_but_what_vllm_gives(tmp_path: Path) -> None:
    from vllm.config import set_current_vllm_config

    from treadle.serving.vllm_plugin.scheduler import ProgramScheduler

    theirs = bench(model_folder(tmp_path), stock=True).scheduler
    config = vllm_config(str(tmp_path), blocks=64)
    config.additional_config = {"treadle": {"policy": "vllm", "max_pinned_share": 0.5}}
    try:
        with set_current_vllm_config(config):
            scheduler = ProgramScheduler(
                vllm_config=config,
                kv_cache_config=theirs.kv_cache_config,
                structured_output_manager=StructuredOutputManager(config),
                include_finished_set=False,
                log_stats=True,
                block_size=16,
                hash_block_size=16,
            )
    finally:
        config.additional_config = {}
    assert isinstance(scheduler.program_policy, StockPolicy)
    assert scheduler.desk.holdings.pins.most_blocks == 31
    scheduler.shutdown()

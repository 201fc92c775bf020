# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""When KV that was held is let go: its time is up, its program ends, its call is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("vllm")

from tests.engine.pins_bench import counters, policy
from tests.engine.scheduler_harness import (
    HoldingPolicy,
    RequestStatus,
    bench,
    call,
    check_blocks,
    model_folder,
    text,
)

from treadle.serving.vllm_plugin.settings import EngineSettings


@pytest.fixture
def model(tmp_path: Path) -> str:
    return model_folder(tmp_path)


def test_holds_run_out(model: str) -> None:
    side = bench(model, program_policy=HoldingPolicy(seconds=5))
    side.add(call("a", text(1, 160), program="P"))
    side.run()
    side.step()  # what finished is told to the model runner
    side.clock.now += 4.9
    assert not side.scheduler.has_requests()
    assert counters(side).held == 1
    side.clock.now += 0.2
    # An idle engine: its loop asks for work, and does one step that reports the usage.
    assert side.scheduler.has_requests()
    assert side.scheduler.get_kv_cache_usage() == 0
    side.step()
    assert not side.scheduler.has_requests()
    assert counters(side).expiries == 1
    check_blocks(side.scheduler)


def test_a_hold_does_not_run_out_while_its_next_call_waits(model: str) -> None:
    side = bench(model, program_policy=HoldingPolicy(seconds=5), max_running=1)
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    side.add(call("other", text(2, 100), output=30))
    side.step()
    side.add(call("b", first + text(3, 16), program="P"))
    side.clock.now += 100
    side.step()
    assert counters(side).held == 1
    side.run()
    assert policy(side).started_with["b"] == 160
    side.add(call("other2", text(2, 100), output=30))
    side.step()
    side.add(call("c", first + text(3, 16), program="P"))
    side.clock.now += 100
    side.scheduler.finish_requests("c", RequestStatus.FINISHED_ABORTED)
    assert counters(side).held == 0, "its client is gone, and its time was up"
    check_blocks(side.scheduler)


def test_counters_do_not_lie_while_nothing_happens(model: str) -> None:
    side = bench(model, program_policy=HoldingPolicy(seconds=5))
    side.add(call("a", text(1, 160), program="P"))
    side.run()
    side.clock.now += 6
    assert counters(side).pinned_blocks == 0


def test_a_program_that_ends_frees_its_blocks_at_once(model: str) -> None:
    side = bench(model)
    for branch in ("left", "right"):
        side.add(call(branch, text(len(branch), 96), program="P", branch=branch))
    side.add(call("other", text(7, 96), program="Q"))
    side.run()
    assert side.scheduler.end_program("P") == 12
    assert side.scheduler.end_program("P") == 0
    assert side.scheduler.end_program("nobody") == 0
    assert policy(side).told.count(("ended", "P")) == 1
    assert counters(side).held == 1
    check_blocks(side.scheduler)


def test_a_program_ended_while_a_call_runs_is_not_held(model: str) -> None:
    side = bench(model)
    side.add(call("a", text(1, 96), program="P", output=8))
    side.step()
    side.scheduler.end_program("P")
    side.run()
    assert policy(side).outcomes["a"].last
    assert counters(side).held == 0
    assert counters(side).live_programs == 0
    side.add(call("b", text(1, 96), program="P"))
    side.run()
    assert counters(side).held == 1, "it came back"


def test_the_last_call_ends_the_program(model: str) -> None:
    side = bench(model)
    side.add(call("a", text(1, 96), program="P", branch="one"))
    side.run()
    side.add(call("b", text(2, 96), program="P", branch="two", extra={"treadle_last_call": 1}))
    side.run()
    assert counters(side).held == 0
    assert policy(side).told[-1] == ("ended", "P")


def test_an_aborted_call_is_not_held_and_leaves_what_was(model: str) -> None:
    side = bench(model)
    first = text(1, 96)
    side.add(call("a", first, program="P"))
    side.run()
    side.add(call("b", first + text(2, 32), program="P", output=50))
    side.scheduler.finish_requests("b", RequestStatus.FINISHED_ABORTED)
    assert counters(side).held == 1, "it had not started: its client may try again"
    side.add(call("c", first + text(2, 32), program="P", output=50))
    side.step()
    side.scheduler.finish_requests("c", RequestStatus.FINISHED_ABORTED)
    side.drain()
    assert counters(side).held == 0
    assert policy(side).told.count(("aborted", "b")) == 1
    assert policy(side).told.count(("aborted", "c")) == 1
    side.step()
    check_blocks(side.scheduler)


def test_the_prefix_cache_can_be_reset(model: str) -> None:
    side = bench(model)
    side.add(call("a", text(1, 96), program="P"))
    side.run()
    side.add(call("b", text(2, 96), program="Q", output=30))
    side.step()
    assert side.scheduler.reset_prefix_cache(reset_running_requests=True)
    assert counters(side).reset_releases == 1
    assert ("preempted", "b") in policy(side).told
    side.run()
    check_blocks(side.scheduler)


def test_a_program_of_which_nothing_is_heard_is_given_up(model: str) -> None:
    side = bench(model, settings=EngineSettings(patience_seconds=50))
    side.add(call("a", text(1, 96), program="P"))
    side.run()
    side.clock.now += 49
    side.add(call("b", text(2, 96), program="Q"))
    side.run()
    side.clock.now += 2
    assert counters(side).abandoned_programs == 1
    assert policy(side).told[-1] == ("ended", "P")
    assert counters(side).live_programs == 1

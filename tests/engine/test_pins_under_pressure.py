# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""What is held keeps to its share of the pool, and gives way to calls that need the room."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("vllm")

from tests.engine.pins_bench import counters, fill, policy
from tests.engine.scheduler_harness import (
    BLOCK,
    HoldingPolicy,
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


def test_holds_keep_to_their_share(model: str) -> None:
    side = bench(model, blocks=65, settings=EngineSettings(max_pinned_share=0.25))
    for n in range(4):
        side.add(call(f"a{n}", text(n, 96), program=f"P{n}"))
        side.run()
        check_blocks(side.scheduler)
    seen = counters(side)
    assert seen.pinned_blocks == 16
    assert seen.truncated_pins == 2
    # A part of the context is of use too: the beginning was held.
    fill(side, 700)
    side.add(call("b", text(2, 96) + text(9, 16), program="P2"))
    side.run()
    assert policy(side).started_with["b"] == 4 * BLOCK


@pytest.mark.parametrize("release", ["none", "one", "all"])
def test_an_oversized_call_opens_the_valve(model: str, release: str) -> None:
    """Nothing runs, and nothing would ever make room but holds: the youngest program first."""
    side = bench(model, blocks=65, program_policy=HoldingPolicy(release=release))
    for n in range(5):
        side.clock.now += 1
        side.add(call(f"a{n}", text(n, 160), program=f"P{n}"))
        side.run()
    assert counters(side).held == 5
    side.add(call("big", text(50, 600), output=100))
    side.run()
    check_blocks(side.scheduler)
    assert "big" in side.finished
    assert policy(side).asked_to_release[0] is True
    seen = counters(side)
    assert seen.pressure_releases >= 3
    if release == "none":
        held = {pin.hold.program_id for pin in side.scheduler.desk.holdings.pins}
        assert held == {"P0", "P1"}, "the youngest went first, and no more than was needed"


def test_a_context_that_no_longer_matches_gives_way_to_its_own_call(model: str) -> None:
    side = bench(model, blocks=33)
    side.add(call("a", text(1, 400), program="P"))
    side.run()
    side.add(call("b", text(2, 400), program="P"))
    side.run()
    assert "b" in side.finished
    check_blocks(side.scheduler)


def test_a_waiting_call_waits_where_the_policy_wants_it_to(model: str) -> None:
    side = bench(model, blocks=65)
    side.add(call("held", text(1, 500), program="P"))
    side.run()
    side.add(call("runs", text(2, 100), output=20))
    side.step()
    side.add(call("waits", text(3, 500), output=4))
    side.step()
    assert policy(side).asked_to_release == [False]
    assert side.scheduler.get_request_counts() == (1, 1)
    side.run()
    assert side.finished == ["held", "runs", "waits"]
    check_blocks(side.scheduler)


def test_a_running_call_is_not_preempted_for_a_hold(model: str) -> None:
    side = bench(model, blocks=21)
    side.add(call("a", text(1, 150), program="P"))
    side.run()
    side.add(call("b", text(2, 150), output=60))
    side.run()
    assert ("preempted", "b") not in policy(side).told
    assert counters(side).pressure_releases == 1
    check_blocks(side.scheduler)

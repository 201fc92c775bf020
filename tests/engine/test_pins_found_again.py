# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""KV held between the calls of a program is found again, branch by branch."""

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


@pytest.fixture
def model(tmp_path: Path) -> str:
    return model_folder(tmp_path)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["synchronous", "asynchronous"])
def test_the_next_call_finds_what_was_held(model: str, asynchronous: bool) -> None:
    side = bench(model, blocks=64, asynchronous=asynchronous)
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    assert counters(side).pinned_blocks == 10
    fill(side, 800)
    side.add(call("b", first + text(2, 40), program="P"))
    side.run()
    check_blocks(side.scheduler)
    assert policy(side).started_with["b"] == 160
    seen = counters(side)
    assert (seen.pins, seen.pin_hits, seen.saved_prefill_tokens) == (2, 1, 160)
    assert seen.held == 1
    assert seen.pinned_blocks == 200 // BLOCK


def test_without_a_hold_the_same_is_lost(model: str) -> None:
    side = bench(model, blocks=64, program_policy=HoldingPolicy(seconds=-1))
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    fill(side)
    side.add(call("b", first + text(2, 40), program="P"))
    side.run()
    assert policy(side).started_with["b"] < 160
    assert counters(side).pins == 0


def test_a_context_that_changed_matches_in_part(model: str) -> None:
    side = bench(model)
    first = text(1, 160)
    side.add(call("a", first, program="P"))
    side.run()
    side.add(call("b", first[:64] + text(3, 96), program="P", output=1))
    side.run()
    assert counters(side).pin_hits == 1
    assert policy(side).started_with["b"] == 64
    side.add(call("c", text(9, 64), program="P", output=1))
    side.run()
    assert counters(side).pin_misses == 1
    check_blocks(side.scheduler)


def test_branches_share_a_prefix_and_let_go_one_by_one(model: str) -> None:
    side = bench(model)
    trunk = text(1, 96)
    for branch in ("left", "right"):
        side.add(call(branch, trunk + text(len(branch), 48), program="P", branch=branch))
    side.run()
    assert counters(side).held == 2
    shared = counters(side).pinned_blocks
    assert shared < 2 * (144 // BLOCK)
    # The left branch goes on, and ends: the right one keeps the trunk.
    side.add(
        call(
            "left2", trunk + text(4, 64), program="P", branch="left", extra={"treadle_last_call": 1}
        )
    )
    side.run()
    check_blocks(side.scheduler)
    fill(side)
    side.add(call("right2", trunk + text(5, 48) + text(6, 16), program="P", branch="right"))
    side.run()
    assert policy(side).started_with["right2"] >= 96
    check_blocks(side.scheduler)


def test_calls_of_one_branch_side_by_side_keep_both_holds(model: str) -> None:
    side = bench(model)
    one, two = text(1, 96), text(2, 96)
    side.add(call("a", one, session="S"))
    side.add(call("b", two, session="S"))
    side.run()
    assert counters(side).held == 2
    side.add(call("c", two + text(3, 32), session="S"))
    side.step()
    assert counters(side).held == 1
    assert policy(side).started_with["c"] == 96
    side.add(call("d", one + text(3, 32), session="S"))
    side.run()
    assert policy(side).started_with["d"] == 96
    check_blocks(side.scheduler)

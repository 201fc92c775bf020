# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""KV of no more use is the first to be reused, and what others use is not."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("vllm")

from tests.engine.scheduler_harness import (
    BLOCK,
    Bench,
    HoldingPolicy,
    bench,
    call,
    check_blocks,
    model_folder,
    text,
)

from treadle.serving.policy import Call, Outcome, Pool, StockPolicy

LAST = {"treadle_last_call": 1}


class UselessPolicy(HoldingPolicy):
    """What ends is of no more use; what does not is not held, unless `seconds` is positive."""

    def __init__(self, seconds: float = -1.0) -> None:
        super().__init__(seconds)
        self.pools: dict[str, Pool] = {}

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        self.pools[call.call_id] = pool
        until = super().finished(call, outcome, pool, now)
        return -math.inf if outcome.last else until


@pytest.fixture
def side(tmp_path: Path) -> Bench:
    return bench(model_folder(tmp_path), blocks=65, program_policy=UselessPolicy())


def run(side: Bench, name: str, prompt: list[int], **options: object) -> None:
    side.add(call(name, prompt, **options))
    side.run()
    check_blocks(side.scheduler)


def hit(side: Bench, name: str) -> int:
    policy = side.scheduler.program_policy
    assert isinstance(policy, UselessPolicy)
    return policy.started_with[name]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["synchronous", "asynchronous"])
def test_what_is_of_no_more_use_goes_before_what_is_older(
    tmp_path: Path, asynchronous: bool
) -> None:
    side = bench(
        model_folder(tmp_path),
        blocks=65,
        program_policy=UselessPolicy(),
        asynchronous=asynchronous,
    )
    old, over = text(1, 320), text(2, 320)
    run(side, "old", old, program="P")
    run(side, "over", over, program="Q", extra=LAST)
    # 64 blocks: 20 each have a name, and 24 none. This takes those, and 16 more.
    run(side, "filler", text(3, 600), output=2)
    run(side, "next", old + text(5, 16), output=1)
    assert hit(side, "next") == 320
    run(side, "again", over + text(4, 16), output=1)
    assert hit(side, "again") <= 64


def test_in_order_of_age_where_nothing_is_said(tmp_path: Path) -> None:
    side = bench(model_folder(tmp_path), blocks=65, program_policy=UselessPolicy())
    old = text(1, 320)
    run(side, "old", old, program="P")
    run(side, "over", text(2, 320), program="Q")
    run(side, "filler", text(3, 600), output=2)
    run(side, "next", old + text(5, 16), program="P")
    assert hit(side, "next") < 320


def test_it_is_found_until_its_room_is_needed(side: Bench) -> None:
    first = text(1, 320)
    run(side, "a", first, program="P", extra=LAST)
    run(side, "b", first + text(2, 16), program="Q")
    assert hit(side, "b") == 320


def test_a_prompt_that_several_programs_used_stays(side: Bench) -> None:
    system = text(1, 160)
    run(side, "a", system + text(2, 160), program="P")
    run(side, "b", system + text(3, 160), program="Q", extra=LAST)
    run(side, "a2", system + text(2, 160) + text(4, 16), program="P", extra=LAST)
    run(side, "filler", text(5, 640), output=2)
    run(side, "c", system + text(6, 16), program="R")
    assert hit(side, "c") == 160


def test_a_prompt_that_a_call_of_nobodys_used_stays(side: Bench) -> None:
    system = text(1, 160)
    run(side, "a", system + text(2, 160), program="P")
    run(side, "b", system + text(3, 16))
    run(side, "a2", system + text(2, 160) + text(4, 16), program="P", extra=LAST)
    run(side, "filler", text(5, 640), output=2)
    run(side, "c", system + text(6, 16), program="R")
    assert hit(side, "c") == 160


def test_what_another_call_is_using_stays(side: Bench) -> None:
    shared = text(1, 160)
    run(side, "a", shared, program="P")
    side.add(call("b", shared + text(2, 16), program="Q", output=40))
    side.step()
    run_on = call("a2", shared + text(3, 16), program="P", extra=LAST)
    side.add(run_on)
    side.run()
    check_blocks(side.scheduler)
    assert {"b", "a2"} <= set(side.finished)
    run(side, "filler", text(5, 640), output=2)
    run(side, "c", shared + text(6, 16), program="R")
    assert hit(side, "c") == 160


def test_a_branch_that_ends_leaves_the_trunk_to_the_others(side: Bench) -> None:
    trunk = text(1, 160)
    side.add(call("left", trunk + text(2, 64), program="P", branch="left"))
    side.step()
    side.add(call("right", trunk + text(3, 64), program="P", branch="right", output=60))
    side.step()
    side.add(
        call("left2", trunk + text(2, 64) + text(4, 16), program="P", branch="left", extra=LAST)
    )
    side.run()
    check_blocks(side.scheduler)
    run(side, "filler", text(5, 560), output=2)
    run(side, "right2", trunk + text(3, 64) + text(6, 16), program="P", branch="right")
    assert hit(side, "right2") >= 160


def test_a_program_ended_by_a_control_call_goes_first(tmp_path: Path) -> None:
    side = bench(model_folder(tmp_path), blocks=65, program_policy=UselessPolicy(60.0))
    old, over = text(1, 320), text(2, 320)
    run(side, "old", old, output=1)
    run(side, "over", over, program="Q")
    assert side.scheduler.end_program("Q") == 20
    check_blocks(side.scheduler)
    run(side, "filler", text(3, 600), output=2)
    run(side, "next", old + text(5, 16), output=1)
    assert hit(side, "next") == 320


def test_the_pool_is_told_without_the_call_that_ended(side: Bench) -> None:
    side.add(call("a", text(1, 160), program="P", output=2))
    side.add(call("b", text(2, 160), program="Q", output=20))
    side.run()
    policy = side.scheduler.program_policy
    assert isinstance(policy, UselessPolicy)
    first, second = policy.pools["a"], policy.pools["b"]
    assert (first.running_calls, second.running_calls) == (1, 0)
    assert (first.waiting_calls, second.waiting_calls) == (0, 0)
    assert first.running == 11 * BLOCK
    assert second.running == 0
    assert second.free == second.capacity


def test_what_it_shares_with_others_still_counts_as_running(side: Bench) -> None:
    shared = text(1, 160)
    run(side, "seed", shared)
    side.add(call("a", shared + text(2, 16), program="P", output=2))
    side.add(call("b", shared + text(3, 16), program="Q", output=20))
    side.run()
    policy = side.scheduler.program_policy
    assert isinstance(policy, UselessPolicy)
    assert policy.pools["a"].running == 12 * BLOCK


def test_without_such_an_answer_blocks_are_reused_as_in_vllm(tmp_path: Path) -> None:
    model = model_folder(tmp_path)
    ours = bench(model, blocks=33, program_policy=StockPolicy())
    stock = bench(model, blocks=33, stock=True)
    for side in (ours, stock):
        for n in range(30):
            program = f"P{n % 4}" if side is ours else None
            side.add(call(f"r{n}", text(n % 7, 48 + 32 * (n % 3)), program=program))
            side.step()
        side.run()
    orders = [
        [each.block_id for each in side.scheduler.kv_cache_manager.block_pool.blocks]
        + [
            each.block_id
            for each in side.scheduler.kv_cache_manager.block_pool.free_block_queue.get_all_free_blocks()
        ]
        for side in (ours, stock)
    ]
    assert orders[0] == orders[1]

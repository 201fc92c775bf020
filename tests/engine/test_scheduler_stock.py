# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""Without hints, every decision is vLLM's own: the same workload through both, step by step."""

from __future__ import annotations

import random
from dataclasses import fields
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


class ContraryPolicy(HoldingPolicy):
    """Would turn everything round, if it were asked."""

    def rank(self, call: Call, now: float) -> Rank:
        return (-call.arrived, float(call.prompt_tokens))

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        return False


def _seen(side: Bench) -> list[dict[str, object]]:
    """What the model runner is told, step by step."""
    steps = []
    for output in side.outputs:
        step = {each.name: repr(getattr(output, each.name)) for each in fields(output)}
        step["finished_req_ids"] = repr(sorted(output.finished_req_ids))
        step["preempted_req_ids"] = repr(sorted(output.preempted_req_ids or ()))
        steps.append(step)
    return steps


def _drive(side: Bench, seed: int) -> None:
    """A random workload of calls that share prefixes, with aborts, resets and pauses."""
    dice = random.Random(seed)
    prefixes = [text(n, 80) for n in range(4)]
    added = 0
    for _ in range(250):
        if added < 60 and dice.random() < 0.4:
            prompt = dice.choice(prefixes)[: dice.randrange(16, 80)] + text(
                1000 + added, dice.randrange(1, 200)
            )
            side.add(
                call(
                    f"r{added}",
                    prompt,
                    output=dice.randrange(1, 40),
                    priority=dice.randrange(3),
                )
            )
            added += 1
        if dice.random() < 0.05 and side.scheduler.requests:
            victim = dice.choice(sorted(side.scheduler.requests))
            side.scheduler.finish_requests(victim, RequestStatus.FINISHED_ABORTED)
        if dice.random() < 0.02:
            side.scheduler.reset_prefix_cache(reset_running_requests=dice.random() < 0.5)
        if side.scheduler.has_requests():
            side.step(dice.choice((0.001, 0.3)))
    side.run()
    check_blocks(side.scheduler)


@pytest.mark.parametrize("queue", ["fcfs", "priority"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["synchronous", "asynchronous"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_steps_without_hints(
    tmp_path: Path, seed: int, asynchronous: bool, queue: str
) -> None:
    model = model_folder(tmp_path)
    options = {
        "blocks": 40,
        "max_running": 6,
        "step_tokens": 128,
        "longest": 512,
        "policy": queue,
        "asynchronous": asynchronous,
    }
    ours = bench(model, program_policy=ContraryPolicy(), **options)
    theirs = bench(model, stock=True, **options)
    _drive(ours, seed)
    _drive(theirs, seed)
    assert _seen(ours) == _seen(theirs)
    assert ours.finished == theirs.finished
    assert any(each.preempted_req_ids for each in ours.outputs), "the pool was never short"
    assert _free(ours) == _free(theirs)


def _free(side: Bench) -> list[int]:
    queue = side.scheduler.kv_cache_manager.block_pool.free_block_queue
    return [each.block_id for each in queue.get_all_free_blocks()]


def test_the_class_follows_the_configuration(tmp_path: Path) -> None:
    from vllm.v1.core.sched.async_scheduler import AsyncScheduler

    model = model_folder(tmp_path)
    assert isinstance(bench(model, asynchronous=True).scheduler, AsyncScheduler)
    assert not isinstance(bench(model).scheduler, AsyncScheduler)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["synchronous", "asynchronous"])
def test_stock_again_once_the_programs_are_gone(tmp_path: Path, asynchronous: bool) -> None:
    """After programs came and went, what has no hints is scheduled as by vLLM again."""
    model = model_folder(tmp_path)
    sides = []
    for stock in (False, True):
        side = bench(
            model,
            stock=stock,
            program_policy=HoldingPolicy(),
            blocks=40,
            max_running=4,
            step_tokens=128,
            longest=512,
            asynchronous=asynchronous,
        )
        for n in range(6):
            side.add(call(f"p{n}", text(n, 60), program=None if stock else f"program{n}"))
        side.run()
        if not stock:
            side.clock.now += 1000
            assert side.scheduler.has_requests(), "the expiry is to be reported"
            side.step()
        assert side.scheduler.reset_prefix_cache()
        side.outputs.clear()
        _drive(side, 7)
        sides.append(side)
    ours, theirs = sides
    # Which of the free blocks is taken differs, for they were freed in another order; the first
    # step also carries the names of what finished before.
    scheduled = [[each["num_scheduled_tokens"] for each in _seen(side)] for side in (ours, theirs)]
    assert scheduled[0] == scheduled[1]

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""Whether each block of a scheduler's pool is held by what it says."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm.v1.core.sched.scheduler import Scheduler


def check_blocks(scheduler: Scheduler) -> None:
    """Every block has exactly the references of the requests and pins that hold it."""
    manager = scheduler.kv_cache_manager
    pool = manager.block_pool
    expected: Counter[int] = Counter()
    for each in manager.coordinator.single_type_managers:
        for blocks in each.req_to_blocks.values():
            expected.update(block.block_id for block in blocks if not block.is_null)
    for _, blocks in scheduler.deferred_frees:
        expected.update(block.block_id for block in blocks if not block.is_null)
    pinned: set[int] = set()
    desk = getattr(scheduler, "desk", None) or getattr(scheduler.connector, "desk", None)
    if desk is not None:
        for pin in desk.holdings.pins:
            for group in pin.groups:
                expected.update(block.block_id for block in group)
                pinned.update(block.block_id for block in group)
        assert desk.holdings.pins.blocks == len(pinned) <= desk.holdings.pins.most_blocks
    for block in pool.blocks:
        if not block.is_null:
            assert block.ref_cnt == expected[block.block_id], block
    free = pool.free_block_queue.get_all_free_blocks()
    assert len(free) == pool.get_num_free_blocks() == len({each.block_id for each in free})
    assert {each.block_id for each in free} == {
        each.block_id for each in pool.blocks if not each.is_null and each.ref_cnt == 0
    }

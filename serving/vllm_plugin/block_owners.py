"""Which blocks one program alone has used: those that its end leaves of no use to anybody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from treadle.serving.policy.contract import BranchKey
from treadle.serving.vllm_plugin.engine_types import Block, BlockPool
from treadle.serving.vllm_plugin.pins import Groups

_Owner: TypeAlias = tuple[object, str | None, str | None]
"""A block's hash, and the program and the branch that alone have used it; None for several."""


class BlockOwners:
    """Remembers who used which cached blocks, and has the useless ones reused first.

    Stands in front of the pool's `free_blocks` from now on. A block that is given up (`give_up`)
    goes to the front of the free queue when it becomes free, and not to its end. It can still be
    found in the cache until its room is needed: a prompt that all programs share is in the blocks
    of the only one that there was, too.
    """

    def __init__(self, pool: BlockPool) -> None:
        self._pool = pool
        self._owners: dict[int, _Owner] = {}
        self._given_up: dict[int, object] = {}
        self._stock_free = pool.free_blocks
        pool.free_blocks = self._free_blocks  # type: ignore[method-assign]

    def __len__(self) -> int:
        return len(self._owners)

    def hit(self, key: BranchKey, groups: Groups) -> None:
        """A call of `key` found these in the cache. A program of "" is nobody's, and another's."""
        if not self._owners and not key[0]:
            return
        program, branch = key
        owners, given_up = self._owners, self._given_up
        for group in groups:
            for block in group:
                name, found = block.block_id, block.block_hash
                if found is None:
                    continue
                given_up.pop(name, None)
                owner = owners.get(name)
                if owner is None or owner[0] != found or owner[1] != program:
                    # Who made it was no program, or did not finish, or was another.
                    owners[name] = (found, None, None)
                elif owner[2] != branch:
                    owners[name] = (found, program, None)

    def made(self, key: BranchKey, groups: Groups) -> None:
        """A call of `key` ends that has these; what it did not find in the cache it has made."""
        program, branch = key
        owners = self._owners
        for group in groups:
            for block in group:
                found = block.block_hash
                if found is None:
                    continue
                owner = owners.get(block.block_id)
                if owner is None or owner[0] != found:
                    owners[block.block_id] = (found, program, branch)

    def give_up(self, program_id: str, branch: str | None, blocks: Iterable[Block]) -> None:
        """Of `blocks`, those go first that the branch alone has used; None for the program."""
        for block in blocks:
            owner = self._owners.get(block.block_id)
            if owner is None or owner[1] != program_id or owner[0] != block.block_hash:
                continue
            if branch is None or owner[2] == branch:
                self._given_up[block.block_id] = owner[0]

    def forget_all(self) -> None:
        """The prefix cache is reset: no block is anybody's."""
        self._owners.clear()
        self._given_up.clear()

    def _free_blocks(self, ordered_blocks: Iterable[Block]) -> None:
        given_up = self._given_up
        if not given_up:
            self._stock_free(ordered_blocks)
            return
        others: list[Block] = []
        useless: dict[int, Block] = {}
        for block in ordered_blocks:
            if block.block_id in given_up and block.block_id not in useless:
                useless[block.block_id] = block
            else:
                others.append(block)
        self._stock_free(useless.values())
        first: list[Block] = []
        for name, block in useless.items():
            if block.ref_cnt == 0:
                if given_up.pop(name) == block.block_hash:
                    first.append(block)
                self._owners.pop(name, None)
        queue = self._pool.free_block_queue
        for block in first:
            queue.remove(block)
        queue.prepend_n(first)
        # What has no hash at all goes before them.
        self._stock_free(others)

"""vLLM's KV pool as a policy sees it, and how much a call lacks in it."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.serving.policy.contract import Pool
from treadle.serving.vllm_plugin.engine_types import Block, BlockPool
from treadle.serving.vllm_plugin.pins import PinTable
from treadle.serving.vllm_plugin.tier_rate import TierRate


class PoolView:
    """Counts tokens where vLLM counts blocks.

    pool, pins: the blocks, and those of them that are held.
    block_tokens: tokens a block of the first group stands for. groups: how many groups of layers
        take blocks of their own, so that a token takes a part of a block in each.
    tier: where KV that is not held may come back from.
    """

    def __init__(
        self,
        pool: BlockPool,
        pins: PinTable,
        block_tokens: int,
        groups: int,
        tier: TierRate,
    ) -> None:
        self._pool = pool
        self._pins = pins
        self._block_tokens = block_tokens
        self._groups = max(1, groups)
        self._tier = tier
        self._key: tuple[int, int, int, int, float | None] | None = None
        self._last = Pool(0, 0, 0, 0, 0)

    @property
    def blocks(self) -> int:
        """Blocks that can be used at all."""
        return self._pool.num_gpu_blocks - 1

    def tokens(self, blocks: int) -> int:
        """What `blocks` can hold."""
        return blocks * self._block_tokens // self._groups

    def pool(self, running_calls: int, waiting_calls: int, leaving: int = 0) -> Pool:
        """Now. Blocks that are held and in use by a running call as well count as held.

        leaving: blocks that are in use still, and about to be free.
        """
        free, held = self._pool.get_num_free_blocks() + leaving, self._pins.blocks
        rate = self._tier.rate
        key = (free, held, running_calls, waiting_calls, rate)
        if key != self._key:
            self._key = key
            self._last = Pool(
                capacity=self.tokens(self.blocks),
                running=self.tokens(self.blocks - free - held),
                held=self.tokens(held),
                running_calls=running_calls,
                waiting_calls=waiting_calls,
                reload_rate=rate,
            )
        return self._last

    def missing_tokens(
        self,
        tokens: int,
        own: Sequence[Sequence[Block]],
        reserved_blocks: int,
    ) -> int:
        """How many tokens more than are free a call lacks that needs room for `tokens`, about.

        own: the blocks it has, by group, or is about to take from the cache. reserved_blocks:
        what has to stay free beside. Groups that keep a window only need less than this says.
        """
        needed = -(-tokens // self._block_tokens) * self._groups + reserved_blocks
        needed -= sum(each.ref_cnt > 0 or each.is_null for group in own for each in group)
        return self.tokens(max(1, needed - self._pool.get_num_free_blocks()))

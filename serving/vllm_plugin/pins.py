"""Blocks of finished calls, held for the next call of their branch."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from treadle.serving.policy.contract import BranchKey, Hold
from treadle.serving.vllm_plugin.engine_types import Block, BlockPool

Groups: TypeAlias = Sequence[Sequence[Block]]
"""Blocks by KV cache group, each in the order of the tokens."""


@dataclass(frozen=True, slots=True)
class HeldContext:
    """The context of a call that ended.

    names: the hashes that its full blocks are found by, in a slower tier too; empty without one.
    prefetched: whether it was brought back from there, and not just computed.
    """

    names: Sequence[bytes] = ()
    prefetched: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pin:
    """A hold and the blocks behind it. Two pins are never the same, however alike.

    origin: what was to be held, and how its KV came to be there.
    """

    hold: Hold
    groups: tuple[tuple[Block, ...], ...]
    origin: HeldContext

    @property
    def key(self) -> BranchKey:
        """Whose next call it is for."""
        return self.hold.program_id, self.hold.branch


class PinTable:
    """All pins of an engine, with one reference in the pool for every block of every pin.

    pool: the engine's block pool.
    block_tokens: how many tokens one block of the first group stands for.
    most_blocks: how many different blocks may be in pins at once.

    was_truncated says whether the last call of `pin` had to leave anything out.

    Branches that share a prefix each have their own reference to its blocks, so that letting go
    of one never takes them from another.
    """

    def __init__(self, pool: BlockPool, block_tokens: int, most_blocks: int) -> None:
        self._pool = pool
        self._block_tokens = block_tokens
        self._most_blocks = most_blocks
        self._pins: dict[BranchKey, list[Pin]] = {}
        self._references: Counter[int] = Counter()
        self._due: list[tuple[float, int, Pin]] = []
        self._numbers = count()
        self._size = 0
        self.was_truncated = False

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Pin]:
        for pins in self._pins.values():
            yield from pins

    @property
    def block_tokens(self) -> int:
        """Tokens that a block of the first group stands for."""
        return self._block_tokens

    @property
    def blocks(self) -> int:
        """How many different blocks are in pins."""
        return len(self._references)

    @property
    def most_blocks(self) -> int:
        """How many there may be."""
        return self._most_blocks

    @property
    def deadline(self) -> float:
        """When the next pin runs out; infinity where there is none."""
        while self._due and not self._is_there(self._due[0][2]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else math.inf

    def references(self, block_id: int) -> int:
        """How many pins hold this block."""
        return self._references.get(block_id, 0)

    def pin(
        self, key: BranchKey, groups: Groups, since: float, until: float, origin: HeldContext
    ) -> Pin | None:
        """Hold what is hashed of `groups`; None where that is nothing, or there is no share left.

        The blocks must be in use (or cached) now. Where the share does not suffice, as much of
        the beginning is held as fits, if there is one group only: what several groups keep of a
        context is of use only together.
        """
        hashed = tuple(
            tuple(each for each in group if not each.is_null and each.block_hash is not None)
            for group in groups
        )
        kept = self._within_share(hashed)
        self.was_truncated = kept is not hashed
        longest = max((len(group) for group in kept), default=0)
        if not longest:
            return None
        hold = Hold(key[0], key[1], longest * self._block_tokens, since, until)
        pin = Pin(hold, kept, origin)
        for group in kept:
            self._pool.touch(group)
            self._references.update(each.block_id for each in group)
        self._pins.setdefault(key, []).append(pin)
        self._size += 1
        heapq.heappush(self._due, (until, next(self._numbers), pin))
        return pin

    def _within_share(self, groups: tuple[tuple[Block, ...], ...]) -> tuple[tuple[Block, ...], ...]:
        room = self._most_blocks - len(self._references)
        fresh = sum(each.block_id not in self._references for group in groups for each in group)
        if fresh <= room:
            return groups
        if len(groups) != 1:
            return ()
        kept: list[Block] = []
        for block in groups[0]:
            room -= block.block_id not in self._references
            if room < 0:
                break
            kept.append(block)
        return (tuple(kept),)

    def release(self, pin: Pin) -> int:
        """Let go of it; returns how many blocks became free. The end of the context goes first.

        Raises KeyError for a pin that is not (any more) in the table.
        """
        pins = self._pins[pin.key]
        if pin not in pins:
            raise KeyError(pin.key)
        pins.remove(pin)
        if not pins:
            del self._pins[pin.key]
        self._size -= 1
        before = self._pool.get_num_free_blocks()
        for group in pin.groups:
            for block in group:
                self._references[block.block_id] -= 1
                if not self._references[block.block_id]:
                    del self._references[block.block_id]
            self._pool.free_blocks(reversed(group))
        return self._pool.get_num_free_blocks() - before

    def due(self, now: float) -> list[Pin]:
        """The pins that have run out."""
        if self.deadline > now:
            return []
        return [pin for pin in self if pin.hold.until <= now]

    def of_branch(self, key: BranchKey) -> Sequence[Pin]:
        """The pins of one branch: several where calls of it ran at the same time."""
        return tuple(self._pins.get(key, ()))

    def of_program(self, program_id: str) -> list[Pin]:
        """The pins of all its branches."""
        return [pin for pin in self if pin.hold.program_id == program_id]

    def find(self, hold: Hold) -> Pin | None:
        """The pin behind `hold`; None where it is gone."""
        pins = self._pins.get((hold.program_id, hold.branch), ())
        return next(
            (each for each in pins if each.hold is hold),
            next((each for each in pins if each.hold == hold), None),
        )

    def held_alone(self, blocks: Iterable[Block]) -> int:
        """How many of `blocks` nothing but pins keeps."""
        references = self._references
        return sum(
            each.block_id in references and each.ref_cnt == references[each.block_id]
            for each in blocks
        )

    def _is_there(self, pin: Pin) -> bool:
        return pin in self._pins.get(pin.key, ())

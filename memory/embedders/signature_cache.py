"""The signatures of namespaces in memory, kept up with the table."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from treadle.memory import tables
from treadle.memory.embedders.signatures import Signatures, signature_words
from treadle.memory.embedders.vector_rows import (
    DELETED,
    broken_row,
    count_of_changes,
)
from treadle.memory.kinds import Kind
from treadle.memory.store import Partition

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_Key: TypeAlias = tuple[int, str]

DEFAULT_BYTES = 256 * 1024 * 1024
"""Four million signatures of 384 bits."""

_ROWS_AT_ONCE = 50_000
# Workers finish in another order than items came: how far behind the newest we look.
_OVERLAP = 2_000
_FEW_DELETED = 200
_SHARE_DELETED = 20


@dataclass(slots=True)
class _Entry:
    changes: int
    deleted: int = 0  # since all of it was read
    kinds: dict[Kind, Signatures] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(each.bytes for each in self.kinds.values())

    @property
    def rows(self) -> int:
        return sum(each.count for each in self.kinds.values())


class SignatureCache:
    """Signatures by namespace and model; the least recently used go when they fill `most_bytes`.

    The one in use is kept however large it is. What was deleted may stay a while: a search takes
    the vectors themselves from the table, where it is missing. Belongs to one event loop.
    """

    def __init__(self, most_bytes: int = DEFAULT_BYTES) -> None:
        self._most = most_bytes
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._locks: dict[_Key, asyncio.Lock] = {}
        self.full_reads = 0
        """How often all signatures of a namespace were read."""

    @property
    def bytes(self) -> int:
        """What the signatures take in memory."""
        return sum(each.size for each in self._entries.values())

    async def signatures(self, partition: Partition, model: str, kind: Kind) -> Signatures:
        """Those of the namespace as they are in this transaction, with some that were deleted."""
        key = (partition.id, model)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            # Before the rows: what is committed in between is then counted again, and not missed.
            changes = await count_of_changes(partition)
            entry = self._entries.get(key)
            if entry is None or not await self._caught_up(partition, model, entry, changes):
                entry = await self._read(partition, model, changes)
            self._entries[key] = entry
            self._entries.move_to_end(key)
            self._make_room()
        return entry.kinds.get(kind) or Signatures(signature_words(model))

    def drop(self, namespace_id: int) -> None:
        """Forget the signatures of a namespace, of all models."""
        for key in [each for each in self._entries if each[0] == namespace_id]:
            del self._entries[key]

    async def _caught_up(
        self, partition: Partition, model: str, entry: _Entry, changes: int
    ) -> bool:
        """Add what is new; whether that accounts for all changes since.

        Each row that is there and was not accounts for one insertion. If these are as many as were
        counted, none lies further back, and none was replaced.
        """
        if changes == entry.changes:
            return True
        if changes < entry.changes:
            return False
        deleted, inserted = divmod(changes - entry.changes, DELETED)
        entry.deleted += deleted
        if inserted > _ROWS_AT_ONCE:
            return False
        for kind in Kind:
            held = entry.kinds.get(kind)
            after = max(held.newest - _OVERLAP, 0) if held is not None else 0
            numbers, content = await _rows(partition, model, kind, after, inserted + _OVERLAP)
            if numbers:
                held = entry.kinds.setdefault(kind, Signatures(signature_words(model)))
                inserted -= held.add_new(numbers, content)
        entry.changes = changes
        return inserted == 0 and entry.deleted <= max(_FEW_DELETED, entry.rows // _SHARE_DELETED)

    async def _read(self, partition: Partition, model: str, changes: int) -> _Entry:
        self.full_reads += 1
        entry = _Entry(changes)
        for kind in Kind:
            after = 0
            while True:
                numbers, content = await _rows(partition, model, kind, after, _ROWS_AT_ONCE)
                if not numbers:
                    break
                held = entry.kinds.setdefault(kind, Signatures(signature_words(model)))
                held.add(numbers, content)
                after = numbers[-1]
        return entry

    def _make_room(self) -> None:
        while len(self._entries) > 1 and self.bytes > self._most:
            self._entries.popitem(last=False)
        if len(self._locks) > 2 * len(self._entries) + 1000:
            held = {key: lock for key, lock in self._locks.items() if lock.locked()}
            self._locks = held


async def _rows(
    partition: Partition, model: str, kind: Kind, after: int, most: int
) -> tuple[Sequence[int], npt.NDArray[np.uint64]]:
    """At most `most` items after the one of number `after`, and their signatures row by row."""
    import numpy as np

    table = tables.embedding
    query = (
        partition.rows(table, table.c.item_id, table.c.signature)
        .where(table.c.model == model, table.c.kind == int(kind), table.c.item_id > after)
        .order_by(table.c.item_id)
        .limit(most)
    )
    found = [tuple(row) for row in await partition.execute(query)]
    words = signature_words(model)
    joined = b"".join([row[1] for row in found])
    if len(joined) != 8 * words * len(found):
        raise broken_row(model)
    return [row[0] for row in found], np.frombuffer(joined, "<u8").reshape(-1, words)

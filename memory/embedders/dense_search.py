"""The items of a namespace whose vectors are nearest to a query's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from treadle.core.threads import run_in_thread
from treadle.memory.embedders.named_embedder import NamedEmbedder, Vectors
from treadle.memory.embedders.signature_cache import SignatureCache
from treadle.memory.embedders.vector_rows import fetch_vectors
from treadle.memory.kinds import Kind
from treadle.memory.store import Partition

CANDIDATES = 200
"""How many vectors are compared exactly, at least."""

_PER_HIT = 3

_WORTH_A_THREAD = 50_000


class Alike(NamedTuple):
    """An item, and the cosine of its vector with the query's."""

    item_id: int
    cosine: float


class DenseSearch:
    """Searches by signatures first (signs of random directions: Charikar, STOC 2002), then exactly.

    No extension of the database is needed: the same on SQLite and PostgreSQL.

    candidates: how many signatures to follow up; more find more of the truly nearest.
    """

    def __init__(
        self,
        embedder: NamedEmbedder,
        cache: SignatureCache | None = None,
        candidates: int = CANDIDATES,
    ) -> None:
        self.embedder = embedder
        self.cache = cache or SignatureCache()
        self._candidates = candidates

    async def query(self, text: str) -> Vectors | None:
        """The vector of a query, None for an empty one. Call it outside of a transaction.

        Raises what `NamedEmbedder.vectors` raises.
        """
        return await self.embedder.vectors([text]) if text.strip() else None

    async def search(
        self, partition: Partition, kind: Kind, query: Vectors, most: int
    ) -> list[Alike]:
        """The `most` nearest items of `kind`, nearest first, newest first where equal."""
        held = await self.cache.signatures(partition, query.model, kind)
        vector, candidates = query.rows[0], max(self._candidates, _PER_HIT * most)
        if held.count > _WORTH_A_THREAD:
            found = await run_in_thread(lambda: held.nearest(vector, candidates))
        else:
            found = held.nearest(vector, candidates)
        cosines = await self.cosines(partition, kind, query, found.tolist())
        ranked = sorted(cosines.items(), key=lambda each: (-each[1], -each[0]))
        return [Alike(item, cosine) for item, cosine in ranked[:most]]

    async def cosines(
        self, partition: Partition, kind: Kind, query: Vectors, items: Sequence[int]
    ) -> dict[int, float]:
        """The exact cosine of each of `items` that has a vector with the query's."""
        import numpy as np

        numbers, rows = await fetch_vectors(partition, query.model, kind, items)
        cosines = np.einsum("ij,j->i", rows, query.rows[0])
        return dict(zip(numbers, cosines.tolist(), strict=True))

"""Candidates for a text among concepts or procedures, by the terms they share with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from treadle.memory import lexical_index
from treadle.memory.kinds import Kind
from treadle.memory.store import Partition

MOST_TERMS = 64
"""Of a text that candidates are looked for with: the rarer of them come first by themselves, since
a term that everything has adds the same to all."""

MOST_ROWS = 2_000
"""Rows that are read for one term, the newest first."""

MOST_CANDIDATES = 64


async def candidates(
    partition: Partition, kind: Kind, terms: Iterable[str], most: int = MOST_CANDIDATES
) -> Sequence[int]:
    """The numbers of items that share terms with a text, those with the most of them first."""
    match = lexical_index.match(partition.is_sqlite)
    query = f"{match} order by rowid desc limit :most"
    shared: Counter[int] = Counter()
    for term in list(dict.fromkeys(terms))[:MOST_TERMS]:
        token = lexical_index.token(partition.id, kind, term)
        found = await partition.raw(query, {"token": token, "most": MOST_ROWS})
        rows = [row // lexical_index.KINDS for (row,) in found]
        weight = 1_000_000 // (1 + len(rows))  # rare terms say more
        for row in rows:
            shared[row] += weight
    best = sorted(shared, key=lambda row: (-shared[row], -row))
    return best[:most]

"""The echo guard: what memory gave into a prompt is not news when it comes back.

Without it a memory fills with its own answers: mem0's issue 4573 tells of 97.8% junk among 10,134
entries after 32 days.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from treadle.memory import tables
from treadle.memory.episode import Episode
from treadle.memory.hit import Hit
from treadle.memory.kinds import Kind, Origin
from treadle.memory.namespace import Namespace
from treadle.memory.store import Partition, Store
from treadle.memory.writing.echo_keys import Candidate, stored_keys

_FEWEST_NEW_WORDS = 4
"""What is left beside an echo is kept from here on, unless a person says it: then always."""


class EchoGuard:
    """Takes down what was recalled; `Episodes` asks it about everything that is to be kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def note_recalled(self, namespace: Namespace, hits: Sequence[Hit]) -> None:
        """Take down that `hits` were given into a prompt; durable when it returns."""
        if not hits:
            return
        await self._store.write(namespace, lambda partition: note_recalled(partition, hits))


async def note_recalled(partition: Partition, hits: Sequence[Hit]) -> None:
    """Like `EchoGuard.note_recalled`, in a transaction that is there already."""
    for kind, table in ((Kind.EPISODE, tables.episode), (Kind.FACT, tables.fact)):
        wanted = {
            hit.id: hit for hit in hits if isinstance(hit.item, Episode) == (kind is Kind.EPISODE)
        }
        if not wanted:
            continue
        found = await partition.execute(
            partition.rows(table, table.c.id, table.c.uid).where(table.c.uid.in_(list(wanted)))
        )
        rows = {
            key: {
                "fingerprint": key,
                "kind": int(kind),
                "item_id": row.id,
                "recalled_at": partition.now,
            }
            for row in found
            for key in stored_keys(wanted[row.uid].text)
        }
        if rows:
            insert = partition.insert(tables.recalled)
            newer = {name: insert.excluded[name] for name in ("kind", "item_id", "recalled_at")}
            await partition.execute(
                insert.on_conflict_do_update(
                    index_elements=["namespace_id", "fingerprint"], set_=newer
                ),
                list(rows.values()),
            )


def new_part(text: str, origin: Origin, found: Sequence[Candidate], known: Collection[str]) -> str:
    """What of `text` is not an echo: all of it, a part of it, or nothing.

    A person who says what was recalled before says it whole, or hands in what memory gave (two
    sentences at least); anything else that they say is their own. From others, a text is kept as it
    is where less than half of it is an echo; otherwise what is new in it, if that says anything.
    """
    echoes = [each for each in found if any(key in known for key in each.keys)]
    if not echoes:
        return text
    # "Here is what I remember:" says nothing without what follows.
    echoes += [
        each
        for each, following in pairwise(found)
        if each not in echoes and following in echoes and text[: each.end].rstrip()[-1:] == ":"
    ]
    total = sum(each.words for each in found)
    echoed = sum(each.words for each in echoes)
    left = total - echoed
    if origin is Origin.USER:
        if left == 0:
            return ""
        if len(echoes) < 2 or echoed * 2 < total:
            return text
    elif left < _FEWEST_NEW_WORDS:
        return ""
    elif echoed * 2 < total:
        return text
    pieces = [text[each.start : each.end].strip() for each in found if each not in echoes]
    return " ".join(piece for piece in pieces if piece)

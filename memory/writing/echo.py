"""The echo guard: what memory gave into a prompt is not news when it comes back.

Without it a memory fills with its own answers: mem0's issue 4573 tells of 97.8% junk among 10,134
entries after 32 days.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from treadle.memory import tables
from treadle.memory.episode import Episode
from treadle.memory.hit import Hit
from treadle.memory.kinds import Kind, Origin
from treadle.memory.namespace import Namespace
from treadle.memory.store import Partition, Store
from treadle.memory.writing.echo_keys import Candidate, stored_keys


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


def is_echo(origin: Origin, found: Sequence[Candidate], known: Collection[str]) -> bool:
    """Whether a text is made of what was recalled, and of nothing else.

    One that says more is kept whole: a part of it would say something else ("It is false: ...").
    What a person says is an echo only where each sentence is one; others may lead up to it.
    """
    echoes = [any(key in known for key in each.keys) for each in found]
    if not any(echoes):
        return False
    return all(
        echo or (each.empty and origin is not Origin.USER)
        for each, echo in zip(found, echoes, strict=True)
    )

"""What stays of the erased: that it was there, so that nothing brings it back.

A tombstone has an id that said nothing, or a hash. `remember` asks for the idempotency key before
it writes, so that a message that is delivered again stays forgotten; an import asks for each id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.erasure.columns import BATCH
from treadle.memory.namespace import Namespace
from treadle.memory.store import Partition

GRAVE_TENANT = "/"
"""Of namespaces that were erased as a whole: no tenant can be called so, none sees them."""

NAMED = -1
"""The kind of a tombstone that stands for a name, not for an item with an id of its own."""


def hashed(*parts: str) -> str:
    """What a tombstone keeps of a name or an idempotency key."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def key_id(idempotency_key: str) -> str:
    """The id of the tombstone of an idempotency key."""
    return f"key:{hashed(idempotency_key)}"


def name_id(table: str, *names: str) -> str:
    """The id of the tombstone of a row without an id: an entity, a summary, an instruction."""
    return f"{table}:{hashed(*names)}"


def grave_of(namespace: Namespace) -> Mapping[str, str]:
    """The tenant and path under which the tombstones of an erased namespace are kept."""
    return {"tenant": GRAVE_TENANT, "path": hashed(namespace.tenant, namespace.path)}


async def erased_ids(partition: Partition, ids: Sequence[str]) -> set[str]:
    """Those of `ids` that were erased in this namespace, or in one of its name before it."""
    stone, space = tables.tombstone, tables.namespace
    grave = grave_of(partition.namespace)
    query = sa.select(space.c.id).where(
        space.c.tenant == grave["tenant"], space.c.path == grave["path"]
    )
    number = (await partition.execute(query)).scalar_one_or_none()
    found: set[str] = set()
    for start in range(0, len(ids), BATCH):
        some = list(ids[start : start + BATCH])
        mine = partition.rows(stone, stone.c.uid).where(stone.c.uid.in_(some))
        found.update((await partition.execute(mine)).scalars())
        if number is not None:
            named = {f"i{at}": each for at, each in enumerate(some)}
            places = ", ".join(f":{name}" for name in named)
            sql = f"select uid from tombstone where namespace_id = :grave and uid in ({places})"  # noqa: S608
            buried = await partition.raw(sql, {**named, "grave": number})
            found.update(buried.scalars())
    return found


async def is_erased(partition: Partition, *, idempotency_key: str) -> bool:
    """Whether what was remembered under that key was erased: it is not to come back."""
    grave = grave_of(partition.namespace)
    found = await partition.raw(
        "select 1 from tombstone where uid = :uid and namespace_id in "
        "(:own, (select id from namespace where tenant = :tenant and path = :path))",
        {"uid": key_id(idempotency_key), "own": partition.id, **grave},
    )
    return found.first() is not None


async def bury(
    partition: Partition,
    stones: Collection[tuple[str, int, str | None]],
    *,
    reason: str,
) -> None:
    """Set tombstones: (id, kind, hash of an idempotency key)."""
    values = [
        {
            "uid": uid,
            "kind": kind,
            "key_hash": key_hash,
            "erased_at": partition.now,
            "reason": reason,
        }
        for uid, kind, key_hash in stones
    ]
    insert = partition.insert(tables.tombstone).on_conflict_do_nothing()
    for start in range(0, len(values), BATCH):
        await partition.execute(insert, values[start : start + BATCH])

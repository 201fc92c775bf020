"""Under which names a subject is known in a namespace."""

from __future__ import annotations

from treadle.memory import tables
from treadle.memory.erasure.columns import every_row
from treadle.memory.erasure.doomed import Doomed
from treadle.memory.erasure.sought import Sought, is_name, plain
from treadle.memory.store import Partition

_ALIAS = frozenset(
    {"alias", "aka", "also known as", "also called", "goes by", "nickname", "is called"}
)
"""Predicates of facts that give another name to their subject."""

_MOST_LISTED = 5


async def names_of(partition: Partition, subject: str) -> set[str]:
    """`subject`, and what facts say that it is called as well."""
    entity, fact = tables.entity, tables.fact
    said = Sought([subject]).names[0]
    own: set[int] = set()
    names = {subject}
    async for row in every_row(partition, entity, entity.c.name, entity.c.key):
        if said in (plain(row.name), plain(row.key)):
            own.add(row.id)
            names.add(row.name)
    claims: dict[str, set[int]] = {}
    said_of: dict[str, str] = {}
    # As where facts are written: what is taken back, or was only read somewhere, names nobody, nor
    # does a name that two claim. Otherwise one could have another erased.
    query = partition.rows(fact, fact.c.subject_id, fact.c.predicate, fact.c.object).where(
        fact.c.predicate.in_(await _alias_predicates(partition)),
        fact.c.retired_at.is_(None),
        fact.c.taint == "[]",
    )
    for row in await partition.execute(query):
        if is_name(row.object):
            claims.setdefault(plain(row.object), set()).add(row.subject_id)
            said_of[plain(row.object)] = row.object
    for name, claimants in claims.items():
        if claimants <= own:
            names.add(said_of[name])
    return names


async def _alias_predicates(partition: Partition) -> list[str]:
    fact = tables.fact
    query = partition.rows(fact, fact.c.predicate).distinct()
    every = (await partition.execute(query)).scalars()
    return [each for each in every if plain(each.replace("_", " ")) in _ALIAS]


async def named_entities(partition: Partition, sought: Sought, doomed: Doomed) -> set[int]:
    """Entities with a sought name in theirs; a longer one is noted, since it may be another."""
    entity = tables.entity
    found: set[int] = set()
    longer: list[str] = []
    async for row in every_row(partition, entity, entity.c.name, entity.c.key):
        if sought.named_in(row.name) or sought.named_in(row.key):
            found.add(row.id)
            if not {plain(row.name), plain(row.key)} & set(sought.names):
                longer.append(row.name)
    if longer:
        more = f" and {len(longer) - _MOST_LISTED} more" if len(longer) > _MOST_LISTED else ""
        doomed.notes.append(
            f"the name is part of these, which are erased too: {', '.join(longer[:5])}{more}"
        )
    return found

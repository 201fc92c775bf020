"""Under which names a subject is known in a namespace."""

from __future__ import annotations

from treadle.memory import tables
from treadle.memory.erasure.columns import every_row, numbers_where
from treadle.memory.erasure.doomed import Doomed
from treadle.memory.erasure.sought import Sought, plain
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
    for number in await numbers_where(partition, fact.c.id, fact.c.subject_id, own):
        query = partition.rows(fact, fact.c.predicate, fact.c.object).where(fact.c.id == number)
        row = (await partition.execute(query)).one()
        if plain(row.predicate.replace("_", " ")) in _ALIAS and any(map(str.isalnum, row.object)):
            names.add(row.object)
    return names


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

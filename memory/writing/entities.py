"""Entities: who and what facts are about, under whatever name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.fence import numbered as numbered_rows
from treadle.memory.store import Partition
from treadle.memory.writing.normal_form import name_key
from treadle.memory.writing.predicates import ALIASES

_entity = tables.entity
_fact = tables.fact
_mention = tables.mention


async def known_as(partition: Partition, name: str) -> list[int]:
    """The numbers of the entity that `name` stands for; the first is the one for new facts.

    Those that were met under several names before it was known that they are one are given
    together. A name that two of them claim, or that only an untrusted source gives them, joins
    nobody. "Ada's dog" is Rex, where one dog of Ada is known.
    """
    key = name_key(name)
    numbers = await _named(partition, key)
    owner, apostrophe, kin = key.rpartition("'s ")
    if not apostrophe:
        return numbers
    theirs = partition.rows(_fact, _fact.c.subject_id).where(
        _fact.c.object_key == owner,
        _fact.c.predicate == f"{kin}_of",
        _fact.c.retired_at.is_(None),
        _fact.c.valid_to.is_(None),
        _fact.c.taint == "[]",
    )
    found = list(dict.fromkeys((await partition.execute(theirs)).scalars()))
    return list(dict.fromkeys([*numbers, *found])) if len(found) == 1 else numbers


async def about(partition: Partition, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions of facts about who `name` stands for, each for a query on the facts.

    These are the facts about them, about what is theirs ("Ada's dog"), and about who is what of
    theirs ("Ada's dog is called Rex").
    """
    numbers = await known_as(partition, name)
    rows = sa.select(_entity.c.key).where(numbered_rows(partition, _entity, numbers))
    keys = {name_key(name), *(await partition.execute(rows)).scalars()}
    own = partition.rows(_entity, _entity.c.id)
    theirs = sa.union_all(*(own.where(_begins(partition, f"{key}'s ")) for key in sorted(keys)))
    subjects = [*numbers, *(await partition.execute(theirs)).scalars()]
    related = _fact.c.object_key.in_(sorted(keys)) & _fact.c.predicate.endswith(
        "\\_of", escape="\\"
    )
    return _fact.c.subject_id.in_(subjects), related


def _begins(partition: Partition, prefix: str) -> sa.ColumnElement[bool]:
    key = _entity.c.key
    if partition.is_sqlite:
        # For LIKE, SQLite reads all entities of the namespace. After a space comes "!".
        return (key >= prefix) & (key < f"{prefix[:-1]}!")
    return key.startswith(prefix, autoescape=True)


async def _named(partition: Partition, key: str) -> list[int]:
    own = partition.rows(_entity, _entity.c.id).where(_entity.c.key == key)
    claimed = _aliases(partition, _fact.c.subject_id).where(_fact.c.object_key == key)
    found = (
        await partition.execute(
            sa.union_all(
                own.add_columns(sa.literal(0).label("claimed")),
                claimed.add_columns(sa.literal(1).label("claimed")),
            )
        )
    ).all()
    numbers = [row[0] for row in found if not row.claimed]
    # Made different here: for DISTINCT, SQLite reads all facts of the namespace, in their order.
    claims = list(dict.fromkeys(row[0] for row in found if row.claimed))
    if len(claims) == 1:
        numbers = list(dict.fromkeys([*claims, *numbers]))
    if not numbers:
        return []
    names = _aliases(partition, _fact.c.object_key).where(_fact.c.subject_id.in_(numbers))
    others = list((await partition.execute(names)).scalars())
    if not others:
        return numbers
    rivals = _aliases(partition, _fact.c.object_key, _fact.c.subject_id).where(
        _fact.c.object_key.in_(others)
    )
    claimants: dict[str, set[int]] = {}
    for row in await partition.execute(rivals):
        claimants.setdefault(row.object_key, set()).add(row.subject_id)
    mine = [other for other in others if len(claimants.get(other, ())) == 1]
    more = await partition.execute(
        partition.rows(_entity, _entity.c.id).where(_entity.c.key.in_(mine))
    )
    return list(dict.fromkeys([*numbers, *more.scalars()]))


async def numbered(partition: Partition, names: Mapping[str, str]) -> dict[str, int]:
    """The numbers of entities by name, made where they are missing. names: name to kind."""
    by_key = {name_key(name): name for name in reversed(list(names))}
    if not by_key:
        return {}
    insert = partition.insert(_entity).on_conflict_do_nothing(
        index_elements=["namespace_id", "key"]
    )
    rows = [{"name": name, "key": key, "kind": names[name]} for key, name in by_key.items()]
    await partition.execute(insert, rows)
    found = await partition.execute(
        partition.rows(_entity, _entity.c.key, _entity.c.id).where(_entity.c.key.in_(list(by_key)))
    )
    numbers = dict(tuple(row) for row in found)
    return {name: numbers[name_key(name)] for name in names}


async def mention(partition: Partition, entity_ids: Iterable[int], episode_id: int) -> None:
    """Take down that an episode speaks of entities."""
    rows = [{"entity_id": number, "episode_id": episode_id} for number in sorted(set(entity_ids))]
    if rows:
        insert = partition.insert(_mention).on_conflict_do_nothing(
            index_elements=["entity_id", "episode_id"]
        )
        await partition.execute(insert, rows)


def _aliases(partition: Partition, *columns: sa.ColumnElement[object]) -> sa.Select[object]:
    return partition.rows(_fact, *columns).where(
        _fact.c.predicate.in_(ALIASES),
        _fact.c.retired_at.is_(None),
        _fact.c.taint == "[]",
    )

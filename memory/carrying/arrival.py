"""Rows of an import on their way into the tables, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from treadle.memory import lexical_index, tables
from treadle.memory.carrying.checks import bad
from treadle.memory.carrying.shape import BY_NAME, ITEM_TABLES, SHAPES, Shape, known_by
from treadle.memory.erasure.tombstones import erased_ids, key_id, name_id
from treadle.memory.namespace import Namespace
from treadle.memory.store import Partition

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

Row: TypeAlias = tuple[int, dict[str, Any]]
"""The number of its line, and its values."""

_Later: TypeAlias = tuple[int, Shape, int, str, str]
"""A line, its table, the number of its row; the column that refers to a row of that name."""

_DAY = 86_400.0

_GONE = -1
"""In place of the number of a row that was erased here."""

_BY_NAME_ONLY = ("entity", "summary", "instruction")
"""Tables whose rows have no id, so that their tombstones have their names."""


class Arrival:
    """Puts rows where they belong: new ones in, known ones left, erased ones kept out.

    Numbers of rows are given anew; only those that were there before have lower ones.
    """

    def __init__(self, connection: AsyncConnection, now: float, tenant: str) -> None:
        self.added = Counter[str]()
        self.present = Counter[str]()
        self.erased = Counter[str]()
        self._connection = connection
        self._now = now
        self._tenant = tenant
        self._partition: Partition | None = None
        self._paths: set[str] = set()
        self._before: dict[str, int] = {}
        self._later: list[_Later] = []
        self._merged: dict[tuple[str, str], int] = {}
        self._held: dict[str, Row] = {}
        self._gone: set[tuple[str, str]] = set()

    @property
    def entered(self) -> bool:
        """Whether there is a namespace for rows to go to."""
        return self._partition is not None

    async def enter(self, line: int, namespace: Namespace, values: Mapping[str, Any]) -> None:
        """What follows is in `namespace`; it is made with `values` where it is not there."""
        await self._leave()
        if namespace.path in self._paths:
            raise bad(line, f"the namespace {namespace.path!r} comes twice")
        self._paths.add(namespace.path)
        space = tables.namespace
        # Otherwise a file could set the clock of a namespace to the end of time.
        latest = min(values["last_recorded"], self._now + _DAY)
        values = {**values, "last_recorded": latest}
        is_sqlite = self._connection.dialect.name == "sqlite"
        insert = sqlite.insert(space) if is_sqlite else postgresql.insert(space)
        # Creates the row or locks it, as `Store.writing` does.
        made = await self._connection.execute(
            insert.values(tenant=self._tenant, path=namespace.path, **values)
            .on_conflict_do_update(
                index_elements=["tenant", "path"],
                set_={"last_recorded": _later_of(space.c.last_recorded, values["last_recorded"])},
            )
            .returning(space.c.id)
        )
        self._partition = Partition(self._connection, namespace, made.scalar_one(), self._now)
        for shape in SHAPES:
            if shape.has_number:
                query = sa.select(sa.func.coalesce(sa.func.max(shape.table.c.id), 0)).where(
                    self._here.owns(shape.table)
                )
                self._before[shape.table.name] = (await self._here.execute(query)).scalar_one()

    async def finish(self) -> None:
        """All lines are in. Raises InputError where some refer to nothing."""
        await self._leave()

    @property
    def _here(self) -> Partition:
        assert self._partition is not None
        return self._partition

    async def _leave(self) -> None:
        """What refers to rows that came after it."""
        waiting, self._later = self._later, []
        await self._refer(waiting)
        for line, shape, _, column, name in self._later:
            raise _nowhere(line, shape, column, name)
        self._later, self._merged, self._held, self._gone = [], {}, {}, set()

    async def take(self, shape: Shape, rows: Sequence[Row]) -> None:
        """Rows of one table, in order."""
        name = shape.table.name
        seen: dict[tuple[Any, ...], int] = {}
        for line, values in rows:
            known = tuple(values[each] for each in shape.identity)
            if known in seen:
                raise bad(line, f"{name} {known!r:.80} stands in line {seen[known]} already")
            seen[known] = line
        if shape.is_named:
            rows = await self._without_present(shape, rows)
            rows = await self._without_erased(shape, rows)
            fresh = await self._resolved(shape, rows)
        else:
            fresh = await self._without_present(shape, await self._resolved(shape, rows))
        if fresh:
            await self._insert(shape, fresh)
        self.added[name] += len(fresh)

    # ---- what was forgotten here ---------------------------------------------------------------

    async def _without_erased(self, shape: Shape, rows: Sequence[Row]) -> list[Row]:
        name = shape.table.name
        if name == "tombstone":
            return list(rows)
        stones = {line: _stones(shape, values) for line, values in rows}
        asked = [stone for each in stones.values() for stone in each]
        erased = await erased_ids(self._here, asked) if asked else set()
        kept: list[Row] = []
        for line, values in rows:
            if not erased.intersection(stones[line]):
                kept.append((line, values))
            elif name == "entity":
                # Its name was forgotten; something that was not may still need it.
                self._held[values["key"]] = (line, values)
            else:
                self._forget(shape, values)
        return kept

    def _forget(self, shape: Shape, values: Mapping[str, Any]) -> None:
        self.erased[shape.table.name] += 1
        if "uid" in values:
            self._gone.add((shape.table.name, values["uid"]))

    # ---- what rows refer to --------------------------------------------------------------------

    async def _resolved(self, shape: Shape, rows: Sequence[Row]) -> list[Row]:
        """The rows with numbers in place of names; without those that hang off erased ones."""
        # Entities last: one that was forgotten is let in only by rows that stay.
        ordered = sorted(shape.references.items(), key=lambda each: each[1] is tables.entity)
        for column, target in ordered:
            names = {values[column] for _, values in rows if values[column] is not None}
            numbers = await self._numbers(target, names)
            rows = [self._referring(shape, column, numbers, row) for row in rows]
            rows = await self._needed(shape, column, rows)
        for column, kind in shape.items.items():
            numbers_of = {
                number: await self._numbers(
                    target, {values[column] for _, values in rows if values[kind] == number}
                )
                for number, target in ITEM_TABLES.items()
            }
            for line, values in rows:
                found = numbers_of[values[kind]].get(values[column])
                if found is None:
                    raise _nowhere(line, shape, column, values[column])
                values[column] = found
            rows = await self._needed(shape, column, rows)
        return list(rows)

    def _referring(self, shape: Shape, column: str, numbers: Mapping[str, int], row: Row) -> Row:
        line, values = row
        name = values[column]
        if name is None:
            return row
        found = numbers.get(name)
        if found is None and shape.table.c[column].nullable:
            # It may come later in the file; the row is found again by its id.
            return line, {**values, column: None, "later": (column, name)}
        if found is None:
            raise _nowhere(line, shape, column, name)
        return line, {**values, column: found}

    async def _needed(self, shape: Shape, column: str, rows: Iterable[Row]) -> list[Row]:
        kept: list[Row] = []
        for line, values in rows:
            if values[column] != _GONE:
                kept.append((line, values))
            elif shape.table.c[column].nullable:
                kept.append((line, {**values, column: None}))
            else:
                self._forget(shape, values)
        return kept

    async def _numbers(self, target: sa.Table, names: set[str]) -> dict[str, int]:
        """The numbers of rows by their names; _GONE for those that were erased here."""
        if target is tables.entity:
            await self._let_in(names & self._held.keys())
        known = known_by(target)
        query = self._here.rows(target, target.c.id, known.label("name")).where(
            known.in_(sorted(names))
        )
        found = {row.name: row.id for row in await self._here.execute(query)}
        for name in names - found.keys():
            merged = self._merged.get((target.name, name))
            if merged is not None:
                found[name] = merged
            elif (target.name, name) in self._gone:
                found[name] = _GONE
        return found

    async def _let_in(self, keys: Iterable[str]) -> None:
        """Entities that were forgotten here, and that something refers to which was not."""
        rows = [self._held.pop(key) for key in sorted(keys)]
        if rows:
            await self._insert(BY_NAME["entity"], rows)
            self.added["entity"] += len(rows)

    # ---- what is there already -----------------------------------------------------------------

    async def _without_present(self, shape: Shape, rows: Sequence[Row]) -> list[Row]:
        table = shape.table
        if not rows:
            return []
        wanted = [tuple(values[name] for name in shape.identity) for _, values in rows]
        columns = [table.c[name] for name in shape.identity]
        number = [table.c.id] if shape.has_number else []
        query = self._here.rows(table, *columns, *number).where(sa.tuple_(*columns).in_(wanted))
        present = {
            tuple(row)[: len(columns)]: row.id if shape.has_number else 0
            for row in await self._here.execute(query)
        }
        fresh: list[Row] = []
        for line, values in rows:
            found = present.get(tuple(values[name] for name in shape.identity))
            if found is None:
                found = await self._twin(line, shape, values)
            if found is None:
                fresh.append((line, values))
            elif shape.has_number and found > self._before[table.name]:
                known = ", ".join(str(values[name]) for name in shape.identity)
                raise bad(line, f"{table.name} {known[:80]!r} stands there twice")
            else:
                self.present[table.name] += 1
        return fresh

    async def _twin(self, line: int, shape: Shape, values: Mapping[str, Any]) -> int | None:
        """A row that is the same message or the same version, under another id."""
        table = shape.table
        if table is tables.episode and values["idempotency_key"] is not None:
            where = table.c.idempotency_key == values["idempotency_key"]
        elif table is tables.artifact:
            where = (table.c.name == values["name"]) & (table.c.version == values["version"])
        else:
            return None
        row = (await self._here.execute(self._here.rows(table).where(where))).first()
        if row is None:
            return None
        if table is tables.artifact and row.content_hash != values["content_hash"]:
            raise bad(
                line,
                f"the artifact {values['name']!r:.60} is there in the same version with "
                "other content",
            )
        self._merged[table.name, values["uid"]] = row.id
        return int(row.id)

    # ---- what is new ---------------------------------------------------------------------------

    async def _insert(self, shape: Shape, rows: Sequence[Row]) -> None:
        table = shape.table
        names = [each.name for each in shape.columns]
        plain = [{name: values[name] for name in names} for _, values in rows]
        await self._here.execute(self._here.insert(table), plain)
        waiting = [(line, values) for line, values in rows if "later" in values]
        if shape.indexed is not None:
            numbers = await self._numbers(table, {values["uid"] for _, values in rows})
            await self._refer(
                [
                    (line, shape, numbers[values["uid"]], *values["later"])
                    for line, values in waiting
                ]
            )
            for _, values in rows:
                # What learning has retired is not to be found any more.
                if table is tables.episode or table is tables.fact or values["retired_at"] is None:
                    number, terms = numbers[values["uid"]], values["terms"].split()
                    await lexical_index.index(self._here, shape.indexed, number, terms)
        await self._count(shape, plain)

    async def _refer(self, waiting: Sequence[_Later]) -> None:
        """Let rows refer to those that are there by now; the others wait for the end."""
        for shape in {each[1].table.name: each[1] for each in waiting}.values():
            for column, target in shape.references.items():
                mine = [each for each in waiting if each[1] is shape and each[3] == column]
                numbers = await self._numbers(target, {each[4] for each in mine})
                table = shape.table
                found = [
                    {"row_number": each[2], "target": numbers[each[4]]}
                    for each in mine
                    if numbers.get(each[4], _GONE) != _GONE
                ]
                if found:
                    change = (
                        self._here.update(table)
                        .where(table.c.id == sa.bindparam("row_number"))
                        .values({column: sa.bindparam("target")})
                    )
                    await self._connection.execute(change, found)
                self._later.extend(each for each in mine if each[4] not in numbers)

    async def _count(self, shape: Shape, rows: Sequence[Mapping[str, Any]]) -> None:
        space = tables.namespace
        if shape.table is tables.episode:
            changed = {
                "episodes": space.c.episodes + len(rows),
                "terms": space.c.terms + sum(row["length"] for row in rows),
            }
        elif shape.table is tables.embedding:
            changed = {"changes": space.c.changes + 1}
        else:
            return
        await self._here.execute(
            sa.update(space).where(space.c.id == self._here.id).values(**changed)
        )


def _later_of(column: sa.Column[float], value: float) -> sa.ColumnElement[float]:
    return sa.case((column > value, column), else_=value)


def _nowhere(line: int, shape: Shape, column: str, name: object) -> Exception:
    return bad(
        line, f"{shape.table.name}.{column} refers to {str(name)[:60]!r}, which is not there"
    )


def _stones(shape: Shape, values: Mapping[str, Any]) -> list[str]:
    """The tombstones that would keep a row out."""
    name = shape.table.name
    if name in _BY_NAME_ONLY:
        return [name_id(name, *(str(values[each]) for each in shape.identity))]
    stones = [values["uid"]] if "uid" in values else []
    if values.get("idempotency_key") is not None:
        stones.append(key_id(values["idempotency_key"]))
    return stones

"""The store, and the fence in it: what is read and written is of one namespace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import operators, visitors

from treadle.core.clock import Clock, SystemClock
from treadle.core.database import Database
from treadle.core.database.straight import Statements
from treadle.core.errors import RunError
from treadle.core.ids import new_item_id
from treadle.memory import tables
from treadle.memory.namespace import Namespace, Where
from treadle.memory.times import exact

_NOWHERE = 0
"""The number of namespaces that are not there: no row has it."""

_TICK = 2e-6
"""Seconds between two moments of recording in one namespace, at least: to the microsecond they are
two, however floats are rounded."""

_NAMES_AT_ONCE = 500

_LONGEST_WAIT = 120.0
"""Seconds until a write that only waits is given up, with `database_locked`."""

ResultT = TypeVar("ResultT")


class Partition:
    """One namespace within one transaction: the only way to the tables of memory.

    id: the number of the namespace; 0 where it is not there, so that nothing is found.
    now: when what is written here is recorded, to the microsecond, as it comes back from a
        datetime; later than all before it in this namespace, even where the clock went back.
    """

    def __init__(
        self, connection: Statements, namespace: Namespace, number: int, now: float
    ) -> None:
        self._connection = connection
        self.namespace = namespace
        self.id = number
        self.now = exact(now)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite; PostgreSQL otherwise."""
        return self._connection.dialect.name == "sqlite"

    def owns(self, table: sa.FromClause) -> sa.ColumnElement[bool]:
        """The condition that rows of `table` (or of an alias of it) are of this namespace."""
        return table.c.namespace_id == self.id

    def rows(self, table: sa.FromClause, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """A query for rows of `table` in this namespace: all columns, or those named."""
        return sa.select(*(columns or (table,))).where(self.owns(table))

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An insertion into `table` in this namespace; it has `on_conflict_do_nothing`."""
        insert = sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)
        return insert.values(namespace_id=self.id)

    def update(self, table: sa.Table) -> sa.Update:
        """A change to rows of `table` in this namespace."""
        return sa.update(table).where(self.owns(table))

    def delete(self, table: sa.Table) -> sa.Delete:
        """A deletion of rows of `table` in this namespace."""
        return sa.delete(table).where(self.owns(table))

    async def execute(
        self, statement: sa.Executable, rows: Sequence[Mapping[str, object]] | None = None
    ) -> sa.CursorResult[Any]:
        """Carry out a statement made by `rows`, `insert`, `update` or `delete`.

        rows: values of many rows for one insertion.

        Raises AssertionError for a statement that would leave the namespace: an error of ours.
        """
        self._check(statement)
        given = None if rows is None else [{**row, "namespace_id": self.id} for row in rows]
        return await self._connection.execute(statement, given)

    async def add(self, table: sa.Table, **values: object) -> int:
        """Insert one row, and give its number."""
        done = await self.execute(self.insert(table).values(**values).returning(table.c.id))
        return int(done.scalar_one())

    async def raw(self, sql: str, values: Mapping[str, object]) -> sa.CursorResult[Any]:
        """Carry out SQL on the index of terms, whose entries are of a namespace by themselves."""
        return await self._connection.execute(sa.text(sql), values)

    def _check(self, statement: sa.Executable) -> None:
        if isinstance(statement, sa.Insert):
            assert statement.table.name in tables.metadata.tables
            return
        seen: set[sa.FromClause] = set()
        fenced: set[sa.FromClause] = set()
        for node in visitors.iterate(statement):  # type: ignore[arg-type]
            if isinstance(node, sa.Column) and isinstance(node.table, sa.FromClause):
                seen.add(node.table)
            elif isinstance(node, sa.Table):
                seen.add(node)
            elif isinstance(node, sa.BinaryExpression) and self._is_fence(node):
                fenced.add(node.left.table)
        for table in seen:
            origin = getattr(table, "element", table)
            if isinstance(origin, sa.Table) and origin in _PARTITIONED:
                aliased = any(getattr(each, "element", None) is table for each in seen)
                assert table in fenced or aliased, f"{origin.name} is read across namespaces"

    def _is_fence(self, node: sa.BinaryExpression[Any]) -> bool:
        return (
            isinstance(node.left, sa.Column)
            and node.left.name == "namespace_id"
            and isinstance(node.right, sa.BindParameter)
            and node.right.value == self.id
            and node.operator is operators.eq
        )


_PARTITIONED = frozenset(tables.PARTITIONED)


class Branch:
    """A namespace with those below it, within one transaction that reads: what is counted there."""

    def __init__(self, connection: Statements, above: Namespace) -> None:
        self._connection = connection
        self._inside = sa.select(tables.namespace.c.id).where(_below(above))

    async def namespaces(self) -> int:
        """How many there are."""
        query = sa.select(sa.func.count()).select_from(self._inside.subquery())
        return int((await self._connection.execute(query)).scalar_one())

    async def count(
        self,
        table: sa.Table,
        *by: sa.ColumnElement[Any],
        where: Sequence[sa.ColumnElement[bool]] = (),
    ) -> Sequence[sa.Row[Any]]:
        """The rows of `table` for which `where` holds: `number` of them, for each value of `by`."""
        query = sa.select(*by, sa.func.count().label("number")).where(self._owns(table), *where)
        return (await self._connection.execute(query.group_by(*by))).all()

    async def first(
        self, table: sa.Table, most: int, where: sa.ColumnElement[bool]
    ) -> Sequence[sa.Row[Any]]:
        """The first rows of `table` for which `where` holds, with `tenant` and `path`."""
        space = tables.namespace
        query = (
            sa.select(table, space.c.tenant, space.c.path)
            .join(space, space.c.id == table.c.namespace_id)
            .where(self._owns(table), where)
        )
        return (await self._connection.execute(query.order_by(table.c.id).limit(most))).all()

    def _owns(self, table: sa.Table) -> sa.ColumnElement[bool]:
        return table.c.namespace_id.in_(self._inside)


Within = Callable[[Partition], Coroutine[Any, Any, ResultT]]
"""What is done in a namespace, within one transaction."""


class Store:
    """Memory's tables in one database.

    new_id: makes the ids that items keep through export and import.
    home: the namespace that is meant where a call names none, and whose tenant a path is of.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock | None = None,
        new_id: Callable[[], str] = new_item_id,
        *,
        home: Namespace | None = None,
    ) -> None:
        self.database = database
        self.clock = clock or SystemClock()
        self.new_id = new_id
        self.home = home or Namespace()

    @asynccontextmanager
    async def reading(self, namespace: Where) -> AsyncIterator[Partition]:
        """One transaction that reads. A namespace that is not there has nothing in it."""
        space = Namespace.of(namespace, self.home)
        async with self.database.reading() as connection:
            yield await self._found(connection, space)

    @asynccontextmanager
    async def writing(self, namespace: Where) -> AsyncIterator[Partition]:
        """One transaction that writes; others that write to the namespace wait for its end.

        It is committed, and durable, at the end of the block; an exception takes all of it back.
        """
        space = Namespace.of(namespace, self.home)
        async with self.database.writing() as connection:
            yield await self._entered(connection, space)

    @asynccontextmanager
    async def counting(self, above: Where) -> AsyncIterator[Branch]:
        """One transaction that counts what a namespace and those below it hold."""
        space = Namespace.of(above, self.home)
        async with self.database.reading() as connection:
            yield Branch(connection, space)

    async def read(self, namespace: Where, work: Within[ResultT]) -> ResultT:
        """What `work` gives: like `reading`, and quicker, for work that waits for nothing else."""
        space = Namespace.of(namespace, self.home)

        async def within(connection: Statements) -> ResultT:
            return await work(await self._found(connection, space))

        return await self.database.in_one_go(within, writes=False)

    async def write(self, namespace: Where, work: Within[ResultT]) -> ResultT:
        """What `work` gives: like `writing`, and quicker, for work that waits for nothing else.

        It waits longer for its turn. SQLite wakes those who wait in no order: with eight writers on
        a busy machine one of them can be passed over for longer than the database itself waits.
        """
        space = Namespace.of(namespace, self.home)

        async def within(connection: Statements) -> ResultT:
            return await work(await self._entered(connection, space))

        deadline = self.clock.monotonic() + _LONGEST_WAIT
        while True:
            try:
                return await self.database.in_one_go(within, writes=True)
            except RunError as error:
                if error.code != "database_locked" or self.clock.monotonic() >= deadline:
                    raise

    async def _found(self, connection: Statements, namespace: Namespace) -> Partition:
        names = {"tenant": namespace.tenant, "path": namespace.path}
        row = (await connection.execute(_FIND, names)).first()
        now = self.clock.now()
        if row is None:
            return Partition(connection, namespace, _NOWHERE, now)
        # What was recorded a moment ago may lie a tick ahead of the clock.
        return Partition(connection, namespace, row.id, max(now, row.last_recorded))

    async def _entered(self, connection: Statements, namespace: Namespace) -> Partition:
        """Creates the row of the namespace or locks it, and moves its clock on."""
        now = self.clock.now()
        names = {"tenant": namespace.tenant, "path": namespace.path}
        values = {**names, "created_at": now, "last_recorded": now, "now": now, "tick": _TICK}
        stamp = _STAMP_SQLITE if connection.dialect.name == "sqlite" else _STAMP_POSTGRESQL
        row = (await connection.execute(stamp, values)).one()
        return Partition(connection, namespace, row.id, row.last_recorded)

    async def namespaces(self, above: Namespace) -> tuple[Namespace, ...]:
        """`above` and those below it, as far as they are there, in the order of their paths."""
        column = tables.namespace.c
        query = sa.select(column.path).where(_below(above)).order_by(column.path)
        async with self.database.reading() as connection:
            found = await connection.execute(query)
            return tuple(Namespace(path, above.tenant) for (path,) in found)

    async def known_elsewhere(self, namespace: Namespace, names: Collection[str]) -> set[str]:
        """Those of `names` that other namespaces of the tenant have for entities of theirs: not
        `namespace`, nor what lies below it.
        """
        space, entity = tables.namespace.c, tables.entity.c
        if not namespace.path:
            return set()
        others = sa.select(space.id).where(
            space.tenant == namespace.tenant, sa.not_(_below(namespace))
        )
        wanted, found = sorted(names), set[str]()
        async with self.database.reading() as connection:
            for start in range(0, len(wanted), _NAMES_AT_ONCE):
                some = wanted[start : start + _NAMES_AT_ONCE]
                query = sa.select(entity.name).where(
                    entity.name.in_(some), entity.namespace_id.in_(others)
                )
                found.update((await connection.execute(query.distinct())).scalars())
        return found


def _below(above: Namespace) -> sa.ColumnElement[bool]:
    """The condition that a row of namespaces is `above`, or lies below it."""
    column = tables.namespace.c
    tenant = column.tenant == above.tenant
    if not above.path:
        return tenant
    below = f"{above.path}/"
    return tenant & (
        (column.path == above.path) | (sa.func.substr(column.path, 1, len(below)) == below)
    )


_FIND = sa.select(tables.namespace.c.id, tables.namespace.c.last_recorded).where(
    tables.namespace.c.tenant == sa.bindparam("tenant"),
    tables.namespace.c.path == sa.bindparam("path"),
)


def _stamp(insert: Callable[[sa.Table], Any]) -> Any:
    later = tables.namespace.c.last_recorded + sa.bindparam("tick")
    now: sa.BindParameter[float] = sa.bindparam("now")
    return (
        insert(tables.namespace)
        .values({name: sa.bindparam(name) for name in _STAMPED})
        .on_conflict_do_update(
            index_elements=["tenant", "path"],
            set_={"last_recorded": sa.case((later > now, later), else_=now)},
        )
        .returning(tables.namespace.c.id, tables.namespace.c.last_recorded)
    )


_STAMPED = ("tenant", "path", "created_at", "last_recorded")
_STAMP_SQLITE = _stamp(sqlite.insert)
_STAMP_POSTGRESQL = _stamp(postgresql.insert)

"""Making what was saved of a database consistent again."""

from __future__ import annotations

import sqlite3
from collections import Counter

from treadle.memory import tables
from treadle.memory.kinds import Kind
from treadle.memory.lexical_index import KINDS, tokens
from treadle.memory.namespace import DEFAULT_TENANT

_ITEMS = {
    Kind.EPISODE: "episode",
    Kind.FACT: "fact",
    Kind.CONCEPT: "concept",
    Kind.PROCEDURE: "procedure",
    Kind.ARTIFACT: "artifact",
}
_REFERRING = (
    ("link", "from_kind", "from_id"),
    ("link", "to_kind", "to_id"),
    ("embedding", "kind", "item_id"),
    ("recalled", "kind", "item_id"),
    ("outbox", "kind", "item_id"),
)


def mend(connection: sqlite3.Connection) -> Counter[str]:
    """Drop rows that refer to lost ones, count anew, and index anew; the rows that were dropped."""
    dropped: Counter[str] = Counter()
    _name_lost_namespaces(connection)
    for table in tables.metadata.sorted_tables:
        for column in table.c:
            for key in column.foreign_keys:
                dropped[table.name] += connection.execute(
                    f'delete from "{table.name}" where "{column.name}" not in '  # noqa: S608
                    f'(select id from "{key.column.table.name}")'
                ).rowcount
    for table_name, kind, number in _REFERRING:
        for each, items in _ITEMS.items():
            dropped[table_name] += connection.execute(
                f'delete from "{table_name}" where "{kind}" = {int(each)} and "{number}" not in '  # noqa: S608
                f'(select id from "{items}")'
            ).rowcount
    for table_name, column_name in (
        ("episode", "previous_id"),
        ("concept", "previous_id"),
        ("fact", "supersedes_id"),
    ):
        connection.execute(
            f'update "{table_name}" set "{column_name}" = null where "{column_name}" not in '  # noqa: S608
            f'(select id from "{table_name}")'
        )
    connection.execute(
        "update namespace set changes = changes + 1,"
        " episodes = (select count(*) from episode where namespace_id = namespace.id),"
        " terms = (select coalesce(sum(length), 0) from episode where namespace_id = namespace.id)"
    )
    _index(connection)
    return dropped


def _name_lost_namespaces(connection: sqlite3.Connection) -> None:
    """What is left of a namespace whose own row is lost is found under a name for it."""
    for table in tables.PARTITIONED:
        connection.execute(
            f"insert into namespace (id, tenant, path, created_at, last_recorded)"  # noqa: S608
            f" select distinct namespace_id, '{DEFAULT_TENANT}', 'salvaged/' || namespace_id, 0, 0"
            f' from "{table.name}" where namespace_id not in (select id from namespace)'
        )


def _index(connection: sqlite3.Connection) -> None:
    for kind, table in _ITEMS.items():
        if "terms" not in tables.metadata.tables[table].c:
            continue
        # What learning has retired is not to be found any more.
        live = " where retired_at is null" if table in ("concept", "procedure") else ""
        rows = connection.execute(f'select id, namespace_id, terms from "{table}"{live}')  # noqa: S608
        connection.executemany(
            "insert into term_index (rowid, terms) values (?, ?)",
            [
                (number * KINDS + int(kind), " ".join(tokens(space, kind, terms.split())))
                for number, space, terms in rows
            ],
        )

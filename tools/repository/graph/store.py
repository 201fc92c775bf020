"""The graph of a repository's code in SQLite, kept up to date by the hash of each file.

Nodes and edges after CodexGraph (arXiv 2408.03910); what may be asked is in `query`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.graph.extract import MAX_PARSED, facts_of
from treadle.tools.repository.graph.facts import (
    Binding,
    Defined,
    EdgeKind,
    FileFacts,
    Mention,
    NodeKind,
)
from treadle.tools.repository.graph.link import Linker
from treadle.tools.repository.graph.modules import ModuleNames
from treadle.tools.repository.source_files import SourceFiles, Stamp, source_files

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, module TEXT NOT NULL, hash TEXT NOT NULL, stamp TEXT NOT NULL,
    broken TEXT NOT NULL, facts TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS nodes (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL, name TEXT NOT NULL, last TEXT NOT NULL,
    kind TEXT NOT NULL, line INTEGER NOT NULL, column INTEGER NOT NULL,
    last_line INTEGER NOT NULL, UNIQUE (path, name)
);
CREATE INDEX IF NOT EXISTS nodes_last ON nodes (last);
CREATE TABLE IF NOT EXISTS edges (
    source INTEGER NOT NULL, kind TEXT NOT NULL, target INTEGER NOT NULL,
    line INTEGER NOT NULL, column INTEGER NOT NULL,
    PRIMARY KEY (source, kind, target, line, column)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS edges_target ON edges (target, kind);
"""


@dataclass(frozen=True, slots=True)
class GraphSize:
    """How large the graph is; broken: files of which it has nothing but the module, and why.

    read: files that were read for the last update.
    """

    files: int
    nodes: int
    edges: int
    read: int
    broken: dict[str, str]


class CodeGraph:
    """The graph of one workspace; safe to use from any thread.

    database: where it is kept between processes; in memory by default.
    """

    def __init__(self, workspace: Workspace, database: Path | None = None) -> None:
        self._workspace = workspace
        self._lock = threading.RLock()
        self._read = 0
        self._facts: dict[str, FileFacts] = {}
        self._hashes: dict[str, tuple[str, Stamp]] = {}
        self._packages: tuple[tuple[str, str], ...] = ()
        self._lasting = database is not None
        self._connection = _opened(database)
        self._load()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The database, with the graph as the files are now; nobody else uses it meanwhile."""
        with self._lock:
            self._update()
            yield self._connection

    def update(self) -> GraphSize:
        """Bring the graph up to date: only what changed is read. Raises `too_many_files`."""
        with self.reading() as connection:
            nodes, edges = (
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
                for table in ("nodes", "edges")
            )
            broken = {path: each.broken for path, each in self._facts.items() if each.broken}
            return GraphSize(len(self._facts), nodes, edges, self._read, broken)

    def _update(self) -> None:
        found = source_files(self._workspace)
        modules = ModuleNames(found.stamps, found.packages)
        changed = self._read_changed(found, modules)
        gone = self._facts.keys() - found.stamps.keys()
        for path in gone:
            del self._facts[path], self._hashes[path]
        if changed or gone or found.packages != self._packages:
            self._packages = found.packages
            self._write(modules, changed, gone)

    def _read_changed(self, found: SourceFiles, modules: ModuleNames) -> list[str]:
        changed: list[str] = []
        self._read = 0
        for path, stamp in found.stamps.items():
            known = self._hashes.get(path)
            if known is not None and known[1] == stamp:
                continue
            try:
                data = self._workspace.read_bytes(path, MAX_PARSED + 1)
            except ToolError as error:
                if error.code == "file_not_found":
                    continue  # gone meanwhile: the next update sees that
                data = b"#" * (MAX_PARSED + 1)  # too large, or not to be read: a module, no more
            self._read += 1
            digest = hashlib.sha256(modules.name(path).encode() + b"\0" + data).hexdigest()
            if known is None or known[0] != digest:
                self._facts[path] = facts_of(data, path, modules.name(path))
                changed.append(path)
            self._hashes[path] = (digest, stamp)
        return changed

    def _write(self, modules: ModuleNames, changed: Iterable[str], gone: Iterable[str]) -> None:
        # Any file can change what a name in any other means, so all are linked anew.
        linker, connection = Linker(self._facts, modules), self._connection
        with connection:
            connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in gone])
            connection.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
                [self._file_row(path, modules) for path in changed],
            )
            connection.execute("DELETE FROM edges")
            connection.execute("DELETE FROM nodes")
            numbers: dict[tuple[str, str], int] = {}
            rows: list[tuple[int, str, str, str, str, int, int, int]] = []
            for path, facts in self._facts.items():
                for one in facts.defined:
                    if (path, one.name) in numbers:
                        continue
                    number = numbers[path, one.name] = len(numbers) + 1
                    last = one.name.rpartition(".")[2] or modules.name(path).rpartition(".")[2]
                    place = (one.line, one.column, one.last_line)
                    rows.append((number, path, one.name, last, one.kind.value, *place))
            connection.executemany("INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            connection.executemany(
                "INSERT OR IGNORE INTO edges VALUES (?, ?, ?, ?, ?)",
                (
                    (
                        numbers[edge.source],
                        edge.kind.value,
                        numbers[edge.target],
                        edge.line,
                        edge.column,
                    )
                    for path in self._facts
                    for edge in linker.edges(path)
                ),
            )

    def _file_row(self, path: str, modules: ModuleNames) -> tuple[str, ...]:
        digest, stamp = self._hashes[path]
        facts = self._facts[path]
        # Only a graph that outlives the process is read back.
        stored = json.dumps(facts, default=_fields, separators=(",", ":")) if self._lasting else ""
        return path, modules.name(path), digest, json.dumps(stamp), facts.broken, stored

    def _load(self) -> None:
        for path, digest, stamp, facts in self._connection.execute(
            "SELECT path, hash, stamp, facts FROM files"
        ):
            first, second, third = json.loads(stamp)
            self._hashes[path] = (digest, (first, second, third))
            self._facts[path] = _facts(json.loads(facts))


def _fields(part: FileFacts | Defined | Mention | Binding) -> dict[str, object]:
    # Several times as fast as `dataclasses.asdict`, which copies deeply.
    return {name: getattr(part, name) for name in part.__slots__}


def _facts(stored: dict[str, list[dict[str, object]] | list[list[str]] | str]) -> FileFacts:
    # Written by this very code: `_fields` of the same classes.
    def rows(name: str) -> list[dict[str, object]]:
        return [row for row in stored[name] if isinstance(row, dict)]

    def spread(row: dict[str, object]) -> dict[str, object]:
        return {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}

    kinds = {"kind": NodeKind}
    return FileFacts(
        tuple(Defined(**{**row, "kind": kinds["kind"](row["kind"])}) for row in rows("defined")),  # type: ignore[arg-type]
        tuple(
            Mention(**{**spread(row), "kind": EdgeKind(str(row["kind"]))})  # type: ignore[arg-type]
            for row in rows("mentions")
        ),
        tuple(Binding(**spread(row)) for row in rows("bindings")),  # type: ignore[arg-type]
        tuple(tuple(map(str, star)) for star in stored["stars"]),
        str(stored["broken"]),
    )


def _opened(database: Path | None) -> sqlite3.Connection:
    if database is not None:
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        connection = _prepared(database)
    except sqlite3.DatabaseError:
        if database is None:
            raise
        # A cache that is broken is made anew: all of it is in the files.
        database.unlink(missing_ok=True)
        connection = _prepared(database)
    return connection


def _prepared(database: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(database or ":memory:", check_same_thread=False)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            for table in ("files", "nodes", "edges"):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection

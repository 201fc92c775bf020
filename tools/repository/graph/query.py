"""What may be asked of the graph: a typed question with bounds, never SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from treadle.core.errors import ToolError
from treadle.tools.repository.graph.facts import EdgeKind, NodeKind
from treadle.tools.repository.graph.store import CodeGraph

MAX_RESULTS = 500
MAX_DEPTH = 12
_MAX_EDGES = 20_000
_CHUNK = 400

ItemT = TypeVar("ItemT")
_Glob = Annotated[str, Field(max_length=300)]


class GraphQuery(BaseModel):
    """Nodes by kind, name and path, and then those that edges lead to.

    kinds: of the nodes to start from; all by default.
    name: pattern of the dotted name or its last part, such as `Tool`, `Tool.call`, `*_tools`.
    path: pattern of the file's path, such as `tools/*`.
    follow: kinds of edges to follow from there; none by default.
    direction: `out` for what the nodes call, import, contain; `in` for who does so with them.
    depth: how many edges in a row, up to 12.
    limit: how many nodes to give, up to 500.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[NodeKind, ...] = ()
    name: _Glob | None = None
    path: _Glob | None = None
    follow: tuple[EdgeKind, ...] = ()
    direction: Literal["out", "in"] = "out"
    depth: Annotated[int, Field(ge=1, le=MAX_DEPTH)] = 1
    limit: Annotated[int, Field(ge=1, le=MAX_RESULTS)] = 50


class GraphNode(TypedDict):
    """A node; `at` is a selector for it, depth counts the edges from where the query started."""

    at: str
    kind: str
    line: int
    last_line: int
    depth: int


class GraphEdge(TypedDict):
    """An edge between two nodes that were found, and the first line that makes it."""

    source: str
    kind: str
    target: str
    line: int


class GraphAnswer(TypedDict):
    """What a query found; truncated: there is more than its limit or the graph's bounds allow."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]
    truncated: bool


def ask(graph: CodeGraph, query: GraphQuery) -> GraphAnswer:
    """Answer a query from the graph as the files are now.

    Raises ToolError (`graph_query_too_wide`) for one that names neither kind, name nor path.
    """
    if not (query.kinds or query.name or query.path):
        raise ToolError("graph_query_too_wide", "name a kind, a name or a path to start from")
    with graph.reading() as connection:
        found, truncated = _start(connection, query)
        depths = dict.fromkeys(found, 0)
        edges: list[tuple[int, str, int, int]] = []
        frontier, seen = found, 0
        for depth in range(1, query.depth + 1 if query.follow else 1):
            rows = _edges(connection, frontier, query)
            seen += len(rows)
            frontier = []
            for source, kind, target, line in rows:
                other = target if query.direction == "out" else source
                if other not in depths:
                    if len(depths) >= query.limit + len(found):
                        truncated = True
                        continue
                    depths[other] = depth
                    frontier.append(other)
                edges.append((source, kind, target, line))
            if seen >= _MAX_EDGES:
                truncated = True
                break
            if not frontier:
                break
        nodes = _nodes(connection, depths)
        return GraphAnswer(
            nodes=[nodes[number] for number in depths],
            edges=[
                GraphEdge(source=nodes[a]["at"], kind=kind, target=nodes[b]["at"], line=line)
                for a, kind, b, line in dict.fromkeys(edges)
            ][: MAX_RESULTS * 2],
            truncated=truncated or len(edges) > MAX_RESULTS * 2,
        )


def dependents(
    graph: CodeGraph, paths: Sequence[str], depth: int = 1, limit: int = 50
) -> list[str]:
    """The files that import any of `paths`, directly first; bounded. Unknown paths have none."""
    with graph.reading() as connection:
        known, frontier = dict.fromkeys(paths), list(paths)
        for _ in range(depth):
            rows: list[tuple[str]] = []
            for chunk in _chunks(frontier):
                marks = ", ".join("?" * len(chunk))
                rows += connection.execute(
                    "SELECT DISTINCT source.path FROM edges"  # noqa: S608 - only question marks
                    " JOIN nodes AS source ON source.id = edges.source"
                    " JOIN nodes AS target ON target.id = edges.target"
                    f" WHERE edges.kind = 'imports' AND target.path IN ({marks})"
                    " ORDER BY source.path",
                    chunk,
                ).fetchall()
            frontier = [path for (path,) in rows if path not in known]
            known.update(dict.fromkeys(frontier))
        return [path for path in known if path not in set(paths)][:limit]


def _start(connection: sqlite3.Connection, query: GraphQuery) -> tuple[list[int], bool]:
    tests, values = ["1"], list[str | int]()
    if query.kinds:
        tests.append(f"kind IN ({', '.join('?' * len(query.kinds))})")
        values += [kind.value for kind in query.kinds]
    if query.name:
        tests.append("(name GLOB ? OR last GLOB ?)")
        values += [query.name, query.name]
    if query.path:
        tests.append("path GLOB ?")
        values.append(query.path)
    rows = connection.execute(
        "SELECT id FROM nodes WHERE "  # noqa: S608 - fixed texts and question marks
        + " AND ".join(tests)
        + " ORDER BY path, line, name LIMIT ?",
        [*values, query.limit + 1],
    ).fetchall()
    found = [number for (number,) in rows]
    return found[: query.limit], len(found) > query.limit


def _edges(
    connection: sqlite3.Connection, frontier: Sequence[int], query: GraphQuery
) -> list[tuple[int, str, int, int]]:
    here = "source" if query.direction == "out" else "target"
    found: list[tuple[int, str, int, int]] = []
    for chunk in _chunks(frontier):
        marks, kinds = ", ".join("?" * len(chunk)), ", ".join("?" * len(query.follow))
        found += connection.execute(
            "SELECT source, kind, target, min(line) FROM edges"  # noqa: S608 - question marks
            f" WHERE {here} IN ({marks}) AND kind IN ({kinds})"
            " GROUP BY source, kind, target ORDER BY source, target, kind LIMIT ?",
            [*chunk, *(kind.value for kind in query.follow), _MAX_EDGES],
        ).fetchall()
    return found


def _nodes(connection: sqlite3.Connection, depths: dict[int, int]) -> dict[int, GraphNode]:
    nodes: dict[int, GraphNode] = {}
    for chunk in _chunks(list(depths)):
        marks = ", ".join("?" * len(chunk))
        for number, path, name, kind, line, last in connection.execute(
            "SELECT id, path, name, kind, line, last_line FROM nodes"  # noqa: S608
            f" WHERE id IN ({marks})",
            chunk,
        ):
            at = f"{path}::{name}" if name else path
            nodes[number] = GraphNode(
                at=at, kind=kind, line=line, last_line=last, depth=depths[number]
            )
    return nodes


def _chunks(items: Sequence[ItemT]) -> list[Sequence[ItemT]]:
    return [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]

"""What a code agent waits for in a repository, and whether its graph agrees with pyright.

On a copy of this repository's own code, with the linked folders as real ones, so that both sides
see each file once. References: sampled definitions, and of each every place where it is named;
agreement is what both found of what either found.

    python benchmarks/repository.py [--definitions N] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.graph.store import CodeGraph
from treadle.tools.repository.language_server.code_queries import CodeQueries
from treadle.tools.repository.language_server.server import LanguageServer
from treadle.tools.repository.source_text import Position

ROOT = Path(__file__).resolve().parent.parent
RUNS = 3

Spot = tuple[str, int, int]


@dataclass
class Agreement:
    """Places that both found, only the graph, only pyright."""

    both: int = 0
    graph: int = 0
    pyright: int = 0

    @property
    def percent(self) -> float:
        """Of what either found."""
        return 100 * self.both / max(1, self.both + self.graph + self.pyright)

    @property
    def recall(self) -> float:
        """Of what pyright found, in percent."""
        return 100 * self.both / max(1, self.both + self.pyright)


def copied(folder: Path) -> Path:
    """The packages and their tests as plain folders, without settings of any tool."""
    root = folder / "code"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "treadle", root / "treadle", ignore=ignored)
    shutil.copytree(ROOT / "tests", root / "tests", ignore=ignored)
    return root


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def sampled(graph: CodeGraph, count: int, seed: int) -> list[tuple[int, Spot]]:
    """Definitions of the packages, by node and place."""
    with graph.reading() as connection:
        rows = connection.execute(
            "SELECT id, path, line, column FROM nodes"
            " WHERE kind IN ('class', 'function', 'method') AND path GLOB 'treadle/*'"
            " AND last NOT GLOB '__*' ORDER BY path, name"
        ).fetchall()
    chosen = random.Random(seed).sample(rows, min(count, len(rows)))
    return [(number, (path, line, column)) for number, path, line, column in chosen]


def agreement(graph: CodeGraph, queries: CodeQueries, count: int, seed: int) -> Agreement:
    """Compare the graph's edges with pyright's references."""
    total = Agreement()
    for number, (path, line, column) in sampled(graph, count, seed):
        named: set[Spot] = {
            (each.path, each.start.line, each.start.column)
            for each in queries.references(path, Position(line, column))
            if not each.outside
        } - {(path, line, column)}
        with graph.reading() as connection:
            edges: set[Spot] = set(
                connection.execute(
                    "SELECT path, edges.line, edges.column FROM edges"
                    " JOIN nodes ON nodes.id = source"
                    " WHERE target = ? AND edges.kind != 'contains'",
                    (number,),
                ).fetchall()
            )
        total.both += len(named & edges)
        total.graph += len(edges - named)
        total.pyright += len(named - edges)
    return total


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--definitions", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = copied(Path(place))
        workspace, path = Workspace(root), "treadle/tools/tool.py"
        first: list[float] = []
        again: list[float] = []
        built: list[float] = []
        for run in range(RUNS):
            with LanguageServer(workspace) as server:
                queries = CodeQueries(server, 120)
                first.append(seconds(lambda q=queries: q.diagnostics(path)))
                text = (root / path).read_text("utf-8")
                (root / path).write_text(f"{text}# {run}\n", "utf-8")
                again.append(seconds(lambda q=queries: q.diagnostics(path)))
            built.append(seconds(lambda: CodeGraph(workspace).update()))
        graph = CodeGraph(workspace, Path(place) / "graph.db")
        size = graph.update()
        (root / path).write_text((root / path).read_text("utf-8") + "# one more\n", "utf-8")
        updated = seconds(graph.update)
        unchanged = statistics.median(seconds(graph.update) for _ in range(5))
        with LanguageServer(workspace) as server:
            found = agreement(graph, CodeQueries(server, 120), chosen.definitions, chosen.seed)
        graph.close()
    rows = [
        ("first diagnostics, server started", f"{statistics.median(first):.2f} s"),
        ("diagnostics after an edit", f"{statistics.median(again):.2f} s"),
        ("graph, from nothing", f"{statistics.median(built):.2f} s"),
        ("graph, one file changed", f"{updated:.2f} s"),
        ("graph, nothing changed", f"{1000 * unchanged:.0f} ms"),
        ("graph: files", f"{size.files:,}"),
        ("graph: nodes", f"{size.nodes:,}"),
        ("graph: edges", f"{size.edges:,}"),
        ("references: found by both", f"{found.both:,}"),
        ("references: by the graph alone", f"{found.graph:,}"),
        ("references: by pyright alone", f"{found.pyright:,}"),
        ("references: agreement", f"{found.percent:.1f} %"),
        ("references: of pyright's, in the graph", f"{found.recall:.1f} %"),
    ]
    print(f"{chosen.definitions} definitions, seed {chosen.seed}, medians of {RUNS} runs")
    for name, value in rows:
        print(f"{name:<42}{value:>12}")


if __name__ == "__main__":
    main()

"""The graph of our own core against pyright, the real one."""

import shutil
from pathlib import Path

import pytest

import treadle.core
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.graph.store import CodeGraph
from treadle.tools.repository.language_server.code_queries import CodeQueries
from treadle.tools.repository.language_server.server import LanguageServer
from treadle.tools.repository.source_text import Position

NAMES = ("TreadleError", "ToolError", "run_in_thread", "canonical_json", "Program", "Clock", "of")


@pytest.mark.timeout(90)
@pytest.mark.usefixtures("needs_pyright")
def test_the_graph_finds_the_references_that_pyright_finds(tmp_path: Path) -> None:
    root = tmp_path / "code"
    core = Path(treadle.core.__path__[0])
    shutil.copytree(core, root / "treadle" / "core", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "treadle" / "__init__.py").write_text("", "utf-8")
    workspace = Workspace(root)
    graph = CodeGraph(workspace)
    with graph.reading() as connection:
        definitions = connection.execute(
            "SELECT id, path, line, column FROM nodes WHERE kind != 'module'"
            f" AND last IN ({', '.join('?' * len(NAMES))}) ORDER BY path, line",
            NAMES,
        ).fetchall()
        edges = connection.execute(
            "SELECT target, path, edges.line, edges.column FROM edges"
            " JOIN nodes ON nodes.id = source WHERE edges.kind != 'contains'"
        ).fetchall()
    both = alone = missed = 0
    with LanguageServer(workspace) as server:
        queries = CodeQueries(server, 60)
        for number, path, line, column in definitions:
            named = {
                (each.path, each.start.line, each.start.column)
                for each in queries.references(path, Position(line, column))
            } - {(path, line, column)}
            ours = {
                (path, line, column) for target, path, line, column in edges if target == number
            }
            both += len(named & ours)
            alone += len(ours - named)
            missed += len(named - ours)
    assert both >= 20
    # What it names, it names rightly; what it misses are names whose type is nowhere written.
    assert alone <= 0.05 * both
    assert both >= 0.8 * (both + missed)

"""What pyright, the real one, says of a small repository."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.tools.repository.conftest import SHAPES

from treadle.core.errors import ToolError
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository import Repository
from treadle.tools.repository.language_server.code_queries import CodeQueries
from treadle.tools.repository.language_server.server import LanguageServer
from treadle.tools.repository.source_text import Position

# Each starts a server in Node.js, which takes long on a busy machine.
pytestmark = [pytest.mark.usefixtures("needs_pyright"), pytest.mark.timeout(90)]


def test_the_questions_of_one_repository(repository: Repository, root: Path) -> None:
    queries = repository.queries
    assert queries.diagnostics("app/shapes.py") == []
    place, _ = repository.locate("app/shapes.py::Circle")
    used = queries.references(place.path, place.position)
    assert {(each.path, each.start.line) for each in used} == {
        ("app/shapes.py", 13), ("app/main.py", 1), ("app/main.py", 5)
    }  # fmt: skip
    use, _ = repository.locate('app/main.py@"total("')
    assert [each.path for each in queries.definition(use.path, use.position)] == ["app/shapes.py"]
    assert "class Circle" in queries.hover(place.path, place.position)
    names = [each.qualified_name for each in queries.document_symbols("app/shapes.py")]
    assert {"Shape", "Shape.area", "Circle.area", "total"} <= set(names)
    assert "app/shapes.py" in [each.location.path for each in queries.workspace_symbols("Circle")]
    preview = repository.preview_rename("app/shapes.py::Circle", "Disc")
    assert [each.path for each in preview.changes.files] == ["app/main.py", "app/shapes.py"]
    assert (root / "app" / "main.py").read_text("utf-8").count("Circle") == 3
    outside, _ = repository.locate('app/shapes.py@"sum("')
    assert all(each.outside for each in queries.definition(outside.path, outside.position))


def test_changes_on_the_disk_are_seen_and_columns_are_right_past_astral_characters(
    repository: Repository, root: Path
) -> None:
    queries = repository.queries
    path = root / "app" / "shapes.py"
    assert queries.diagnostics("app/shapes.py") == []
    path.write_text(SHAPES + 's = "😀😀"; bad: int = "é😀"\n', "utf-8")
    (fault,) = queries.diagnostics("app/shapes.py")
    line = path.read_text("utf-8").split("\n")[fault.location.start.line - 1]
    assert line[fault.location.start.column - 1 : fault.location.end.column - 1] == '"é😀"'
    place, _ = repository.locate('app/shapes.py@"bad"')
    assert "bad: int" in queries.hover(place.path, place.position)
    path.write_text(SHAPES, "utf-8")
    (root / "app" / "late.py").write_text("x = 1\n", "utf-8")
    (root / "app" / "main.py").write_text("from app.late import x\nprint(x)\n", "utf-8")
    assert queries.diagnostics("app/shapes.py") == []
    assert queries.diagnostics("app/main.py") == []
    (root / "app" / "late.py").unlink()
    assert len(queries.diagnostics("app/main.py")) == 1


def test_diagnostics_that_the_server_pushes(workspace: Workspace) -> None:
    with LanguageServer(workspace, pull=False) as server:
        queries = CodeQueries(server, 60)
        with queries.showing({"app/main.py": "x: int = ''\n"}):
            assert [each.rule for each in queries.diagnostics("app/main.py")] == [
                "reportAssignmentType"
            ]
        assert queries.diagnostics("app/main.py") == []


def test_a_server_that_is_killed_is_started_again(repository: Repository) -> None:
    assert repository.queries.diagnostics("app/main.py") == []
    process = repository.server.process_id
    assert process is not None
    os.kill(process, signal.SIGKILL)
    place = Position(4, 5)
    try:
        repository.queries.hover("app/main.py", place)
    except ToolError as error:
        assert error.code == "language_server_died"
        assert error.retryable
    assert "main" in repository.queries.hover("app/main.py", place)
    assert repository.server.starts == 2


def test_the_repository_cannot_have_its_code_run(root: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    evil = f"open({str(marker)!r}, 'a').write('x')\n"
    for name in (
        "sitecustomize.py",
        "usercustomize.py",
        "json.py",
        "os.py",
        "sys.py",
        "encodings.py",
    ):
        (root / name).write_text(evil, "utf-8")
    fake = root / ".venv" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text(f"#!/bin/sh\necho x > {marker}\n", "utf-8")
    fake.chmod(0o755)
    for name in ("python", "python3", "node"):
        (root / name).symlink_to(fake)
    (root / ".venv" / "pyvenv.cfg").write_text("home = /\n", "utf-8")
    (root / "pyrightconfig.json").write_text(
        '{"venvPath": ".", "venv": ".venv", "pythonPath": "./python", "extraPaths": ["."]}', "utf-8"
    )
    # The control: what is prepared here does run when Python is started in the folder.
    subprocess.run(
        [sys.executable, "-c", "import json"], cwd=root, check=False, capture_output=True
    )
    assert marker.exists()
    marker.unlink()
    with Repository(root, kept=tmp_path / "kept", seconds=60) as repository:
        repository.queries.diagnostics("app/main.py")
        repository.queries.workspace_symbols("Circle")
    assert not marker.exists()


def test_closing_ends_the_process(repository: Repository) -> None:
    repository.queries.diagnostics("app/main.py")
    process = repository.server.process_id
    assert process is not None
    repository.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)

"""A small repository on the disk, and what works on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from treadle.core.errors import ToolError
from treadle.tools.builtin.kept import KeptFiles
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository import Repository
from treadle.tools.repository.editing.previews import Previews
from treadle.tools.repository.editing.transaction import Transactions
from treadle.tools.repository.language_server.command import pyright_command

SHAPES = '''"""Shapes."""

from math import pi


class Shape:
    """Something flat."""

    def area(self) -> float:
        return 0.0


class Circle(Shape):
    def __init__(self, radius: float) -> None:
        self.radius = radius

    def area(self) -> float:
        return pi * self.radius**2


def total(shapes: list[Shape]) -> float:
    return sum(shape.area() for shape in shapes)
'''

MAIN = """from app.shapes import Circle, total


def main() -> float:
    return total([Circle(1.0), Circle(2.0)])
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "__init__.py").write_text("", "utf-8")
    (folder / "app" / "shapes.py").write_text(SHAPES, "utf-8")
    (folder / "app" / "main.py").write_text(MAIN, "utf-8")
    return folder


@pytest.fixture
def kept(tmp_path: Path) -> KeptFiles:
    return KeptFiles(tmp_path / "kept")


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root)


@pytest.fixture
def transactions(workspace: Workspace, kept: KeptFiles) -> Transactions:
    return Transactions(workspace, kept)


@pytest.fixture
def previews(workspace: Workspace, kept: KeptFiles) -> Previews:
    return Previews(workspace, kept)


@pytest.fixture
def needs_pyright() -> None:
    try:
        pyright_command()
    except ToolError as error:
        pytest.skip(f"no language server on this machine: {error.message}")


@pytest.fixture
def needs_git() -> None:
    if shutil.which("git") is None:
        pytest.skip("no git on this machine")


@pytest.fixture
def repository(root: Path, tmp_path: Path) -> Iterator[Repository]:
    with Repository(root, kept=tmp_path / "kept", seconds=60) as made:
        yield made

"""A workspace with real files, and the built-in tools over it by name."""

from pathlib import Path

import pytest

from treadle.testing import ScriptedModel
from treadle.tools import ToolRegistry
from treadle.tools.builtin import builtin_tools


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    (root / "docs").mkdir(parents=True)
    (root / "a.txt").write_text("one two\nthree\n", "utf-8")
    (root / "b.txt").write_text("no newline at the end", "utf-8")
    (root / "docs" / "guide.md").write_text("# Guide\n\nTODO: write it.\n", "utf-8")
    (root / ".hidden").write_text("secret\n", "utf-8")
    (root / "data.bin").write_bytes(b"\x00\x01\xff" * 10)
    (root / "sales.csv").write_text(
        "region,amount,day\nnorth,10,2024-01-01\nsouth,20.5,2024-01-02\nnorth,5,2024-01-03\n",
        "utf-8",
    )
    return root


@pytest.fixture
def tools(workspace: Path) -> ToolRegistry:
    return ToolRegistry(builtin_tools(workspace, model=ScriptedModel([])))

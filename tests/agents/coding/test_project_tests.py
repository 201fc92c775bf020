"""Running a project's tests on a copy: what goes in, and how little is believed of what comes out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.coding.conftest import BareRunner

from treadle.agents.coding import ProjectTests
from treadle.agents.coding import project_copy as copying
from treadle.agents.coding.executions import Executions
from treadle.agents.coding.project_copy import package_files, project_files
from treadle.agents.coding.project_tests import WHOLE, TestReport, run_tests
from treadle.agents.coding.repository_result import verdict_of
from treadle.core.errors import InputError, ToolError
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.sandbox.contract import SandboxLimits


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.py").write_text("x = 1\n", "utf-8")
    return folder


def test_a_copy_holds_regular_files_only_and_nothing_from_outside(root: Path) -> None:
    (root.parent / "secret").write_text("secret", "utf-8")
    (root / "link").symlink_to(root.parent / "secret")
    (root / "up").symlink_to(root.parent)
    os.mkfifo(root / "fifo")
    for hidden in (".git/hooks/pre-commit", ".venv/x.py", "env/pyvenv.cfg", "__pycache__/a.pyc"):
        (root / hidden).parent.mkdir(parents=True)
        (root / hidden).write_text("x", "utf-8")
    assert project_files(Workspace(root)) == {"deep/a.py": b"x = 1\n"}


def test_what_is_too_large_is_refused(root: Path) -> None:
    with (root / "big").open("wb") as file:
        file.truncate(copying.MOST_BYTES)
    with pytest.raises(ToolError) as refused:
        project_files(Workspace(root))
    assert refused.value.code == "repository_too_large"


def test_packages_come_with_what_they_require() -> None:
    found = package_files(("pytest",))
    assert {"pytest/__init__.py", "_pytest/main.py", "pluggy/__init__.py"} <= found.keys()
    assert not any(name.startswith(("..", "/")) or "__pycache__" in name for name in found)
    with pytest.raises(ToolError) as refused:
        package_files(("no-such-package-of-anyone",))
    assert refused.value.code == "package_not_installed"


@pytest.mark.parametrize(
    "report",
    ["", "[]", '{"a": "excellent"}', '{"a": 1}', '{"a": ["passed"]}', "[" * 100_000, "\\xff"],
)
async def test_a_report_that_is_none_leaves_the_exit_code(
    root: Path, runner: BareRunner, report: str
) -> None:
    (root / "forge.py").write_text(
        f"import sys\nopen('../report.json', 'w').write({report!r})\nsys.exit(int(sys.argv[1]))\n",
        "utf-8",
    )
    for code, outcome in (("0", "passed"), ("3", "failed")):
        tests = ProjectTests(("python", "forge.py", code), packages=())
        found = await run_tests(tests, Workspace(root), Executions(runner, limits=_limits()))
        assert found.outcomes == {WHOLE: outcome}
        json.dumps(str(found))


def _limits() -> SandboxLimits:
    return SandboxLimits(seconds=30)


def test_a_command_is_needed() -> None:
    with pytest.raises(InputError, match="bad_tests"):
        ProjectTests(())


OUTCOMES = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(["passed", "failed"]))


@given(OUTCOMES, OUTCOMES, st.none() | st.sampled_from([-1.0, 0.0, 1.0]))
def test_whatever_is_kept_breaks_no_test(
    before: dict[str, str], after: dict[str, str], score: float | None
) -> None:
    was, now = TestReport(before), TestReport(after)
    verdict = verdict_of(was, now, score, edited=True)
    if verdict != "worse":
        assert was.passed <= now.passed
        assert (score or 0) >= 0 or now.passed > was.passed
    assert (verdict == "passed") <= now.all_passed
    assert verdict_of(was, now, score, edited=False) == "unchanged"

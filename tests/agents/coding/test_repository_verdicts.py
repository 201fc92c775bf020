"""What a model may not touch, and what does not count as repaired, in work on a repository."""

from __future__ import annotations

import pytest

from treadle.agents.coding.project_tests import TestReport as Report
from treadle.agents.coding.repository_edits import _is_protected
from treadle.agents.coding.repository_result import verdict_of
from treadle.tools.repository.editing.change import FileChange


@pytest.mark.parametrize(
    "path",
    ["pyproject.toml", "setup.cfg", "conftest.py", "tests/conftest.py", "sitecustomize.py",
     "pytest.py", "pytest/__init__.py", "src/_pytest/x.py", "a.pth", "treadle_report.py"],
)  # fmt: skip
def test_what_decides_about_tests_is_protected_also_where_it_is_new(path: str) -> None:
    assert _is_protected(FileChange(path, None, b"x", 0o644))


@pytest.mark.parametrize("path", ["loom.py", "src/loom/weave.py", "tests/test_new.py"])
def test_code_and_new_tests_are_not(path: str) -> None:
    assert not _is_protected(FileChange(path, None, b"x", 0o644))


def test_a_failing_test_that_is_no_longer_heard_of_is_not_repaired() -> None:
    before = Report({"a": "failed", "b": "passed"}, "ok", "")
    silent = Report({"b": "passed"}, "ok", "")
    repaired = Report({"a": "passed", "b": "passed"}, "ok", "")
    assert verdict_of(before, silent, None, edited=True) == "unverified"
    assert verdict_of(before, repaired, None, edited=True) == "passed"

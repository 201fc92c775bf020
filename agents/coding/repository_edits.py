"""The edits that an agent makes to a repository for one task: scored, and taken back as one."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatch

from treadle.agents.coding.repository_result import EditStep
from treadle.core.errors import ToolError
from treadle.tools.repository.editing.applied import Applied
from treadle.tools.repository.editing.change import FileChange
from treadle.tools.repository.language_server.code_queries import CodeQueries
from treadle.tools.repository.repository import Outcome, Repository
from treadle.tools.repository.score import StepScore

TESTS = ("test_*.py", "*_test.py")
SETTINGS = (
    "conftest.py", "pytest.ini", "tox.ini", ".pytest.ini", "pytest.toml", ".pytest.toml",
    "pyproject.toml", "setup.cfg", "sitecustomize.py", "usercustomize.py", "pytest.py",
    "treadle_report.py", "*.pth",
)  # fmt: skip
"""Files that say which tests there are and what they expect, or that stand in for who says it."""

MOST_DIFF = 100_000


class RepositoryEdits:
    """Applies previews for one task, and remembers them.

    edit_tests: whether tests that are there may be changed. Where they may not, neither may the
    files that decide which of them run: a model would otherwise be judged by what it wrote itself.
    """

    def __init__(self, repository: Repository, *, edit_tests: bool = False) -> None:
        self._repository = repository
        self._edit_tests = edit_tests
        self._applied: list[Applied] = []
        self._diffs: list[str] = []
        self.steps: list[EditStep] = []

    @property
    def files(self) -> tuple[str, ...]:
        """What was changed, in the order in which it first was."""
        return tuple(dict.fromkeys(path for each in self.steps for path in each.files))

    @property
    def diff(self) -> str:
        """All changes, one after the other."""
        return "".join(self._diffs)[:MOST_DIFF]

    def apply(
        self, name: str, key: str, *, refuse_if_worse: bool = False, queries: CodeQueries
    ) -> Outcome:
        """Make the changes of a preview, and score them.

        Raises ToolError (`tests_protected`), and what `Repository.apply` raises.
        """
        repository = self._repository
        changes = repository.changes(name)
        if not self._edit_tests and (hit := next(filter(_is_protected, changes.files), None)):
            raise ToolError(
                "tests_protected",
                f"'{hit.path}' decides what counts as right: repair the code; new tests may stand "
                "in new files",
            )
        found, note = None, ""
        if not refuse_if_worse:
            found, note = self._score(name, queries)
        done = repository.apply(name, key, refuse_if_worse=refuse_if_worse, queries=queries)
        done = replace(done, score=done.score or found)
        if all(each["call"] != done.applied["call"] for each in self._applied):
            self._applied.append(done.applied)
            self._diffs.append(changes.diff)
            self.steps.append(_step([each.path for each in changes.files], done.score, note))
        return done

    def take_back(self) -> None:
        """Undo all of it, the last first. Raises ToolError (`undo_conflict`)."""
        while self._applied:
            self._repository.undo(self._applied[-1])
            self._applied.pop()

    def _score(self, name: str, queries: CodeQueries) -> tuple[StepScore | None, str]:
        try:
            return self._repository.measure(name, queries), ""
        except ToolError as error:
            if not error.code.startswith("language_server") or error.code.endswith("cancelled"):
                raise
            # Edits can be made without a server; that they were not measured is in the evidence.
            return None, f"not measured: {error.code}: {error.message}"


def _is_protected(change: FileChange) -> bool:
    *folders, name = change.path.split("/")
    if any(fnmatch(name, each) for each in SETTINGS) or {"pytest", "_pytest"} & {*folders}:
        return True
    return change.before is not None and any(fnmatch(name, each) for each in TESTS)


def _step(files: list[str], found: StepScore | None, note: str) -> EditStep:
    if found is None:
        return EditStep(tuple(files), None, note=note)
    note = note or ("" if found.exact else "a guess: files came or went")
    return EditStep(tuple(files), found.value, len(found.resolved), len(found.new), note)

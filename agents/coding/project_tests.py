"""A project's own tests, run in the sandbox on a copy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files

from treadle.agents.coding.executions import Executions
from treadle.agents.coding.observation import shortened
from treadle.agents.coding.project_copy import package_files, project_files
from treadle.core.errors import InputError
from treadle.core.threads import run_in_thread
from treadle.tools.builtin.workspace import Workspace

MOST_TESTS = 20_000
MOST_NAME = 500
WHOLE = "(the whole command)"
"""The one test there is where a command does not say what its tests are."""

_OUTCOMES = ("passed", "failed", "skipped")


@dataclass(frozen=True, slots=True)
class ProjectTests:
    """How a project is tested.

    command: in the project's folder; `python` first is the sandbox's own. Of pytest each test is
    known, of other commands only whether they ended with exit code 0.
    packages: installed distributions that the tests import, with all that they require; they are
    read from where Treadle itself is installed.

    Raises InputError (`bad_tests`).
    """

    command: tuple[str, ...] = ("python", "-m", "pytest", "-q")
    packages: tuple[str, ...] = ("pytest",)

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise InputError("bad_tests", "a test command is a program and its arguments")


@dataclass(frozen=True, slots=True)
class TestReport:
    """What one run of the tests came to, as far as the project's code tells the truth.

    outcomes: `passed`, `failed` or `skipped` by test. ended: of the execution, `ok` or why not.
    """

    __test__ = False  # no class of tests

    outcomes: Mapping[str, str] = field(default_factory=dict)
    ended: str = "ok"
    output: str = ""

    @property
    def passed(self) -> frozenset[str]:
        """The tests that passed."""
        return self._those("passed")

    @property
    def failed(self) -> frozenset[str]:
        """The tests that failed."""
        return self._those("failed")

    @property
    def all_passed(self) -> bool:
        """Whether there were tests, and nothing failed."""
        return bool(self.passed) and not self.failed and self.ended == "ok"

    def _those(self, outcome: str) -> frozenset[str]:
        return frozenset(name for name, each in self.outcomes.items() if each == outcome)

    def __str__(self) -> str:
        failed = sorted(self.failed)
        lines = [f"{len(self.passed)} passed, {len(failed)} failed"]
        if self.ended not in ("ok", "error"):
            lines.append(f"ended: {self.ended}")
        lines += [f"failed: {name}" for name in failed[:20]]
        return "\n".join([*lines, shortened(self.output)])


async def run_tests(
    tests: ProjectTests, workspace: Workspace, executions: Executions
) -> TestReport:
    """Copy the project as it is now into a sandbox and test it there.

    Nothing of the project runs anywhere else: its conftest, plugins and configuration are as
    hostile as its code. Raises ToolError as `project_files`, `package_files` and
    `Executions.run` do, and BudgetExceeded.
    """
    put: dict[str, bytes | str] = {"command.json": json.dumps(tests.command)}
    for folder, found in (
        ("packages", await run_in_thread(lambda: package_files(tests.packages))),
        ("project", await run_in_thread(lambda: project_files(workspace))),
    ):
        put.update({f"{folder}/{name}": data for name, data in found.items()})
    program = (files("treadle.agents.coding.inside") / "run_tests.py").read_text(encoding="utf-8")
    result = await executions.run(
        "test", program, files=put, results=("report.json",), shown=list(tests.command)
    )
    outcomes = _outcomes(result.files.get("report.json"))
    if outcomes is None:
        outcomes = {WHOLE: "passed" if result.status == "ok" else "failed"}
    ended = "ok" if result.status == "ok" else result.reason or result.status
    return TestReport(outcomes, ended, f"{result.stdout}{result.stderr}".strip())


def _outcomes(data: bytes | None) -> dict[str, str] | None:
    """The report of untrusted code; None where there is none that can be read."""
    try:
        said = json.loads(data or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or len(said) > MOST_TESTS:
        return None
    if any(each not in _OUTCOMES for each in said.values()):
        return None
    return {name[:MOST_NAME]: each for name, each in said.items()}

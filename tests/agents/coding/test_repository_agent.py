"""Work on a small repository: real git, real language server, real sandbox, a scripted model."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, assert_type

import pytest
from tests.tools.repository.test_transaction import snapshot

from treadle import ApprovalPolicy, Runtime, allow, tool
from treadle.agents.coding import ProjectTests, RepositoryAgent, RepositoryResult
from treadle.core.chat import ChatRequest, ToolCall
from treadle.core.errors import ModelError, ToolError
from treadle.core.events import StepFinished
from treadle.planner import Plan
from treadle.testing import ScriptedModel
from treadle.tools.repository import Repository, repository_tools
from treadle.tools.repository.language_server.command import pyright_command
from treadle.tools.sandbox import Sandbox

# A language server of its own, and two runs of pytest in a new sandbox each.
pytestmark = pytest.mark.timeout(240)

CODE = '''"""Sums."""


def total(numbers: list[int]) -> int:
    return sum(numbers) + 1


def mean(numbers: list[int]) -> float:
    return sum(numbers) / len(numbers)
'''
TESTS = """import pytest
from sums import mean, total


@pytest.fixture
def numbers():
    return [1, 2, 3]


def test_total(numbers):
    assert total(numbers) == 6


def test_mean(numbers):
    assert mean(numbers) == 2
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A git repository whose hooks and conftest write outside when they run unguarded."""
    if shutil.which("git") is None:
        pytest.skip("no git on this machine")
    folder, escaped = tmp_path / "project", tmp_path / "escaped"
    (folder / "tests").mkdir(parents=True)
    (folder / "sums.py").write_text(CODE, "utf-8")
    (folder / "tests" / "test_sums.py").write_text(TESTS, "utf-8")
    (folder / "conftest.py").write_text(
        f"try:\n    open({str(escaped)!r}, 'w').close()\nexcept OSError:\n    pass\n", "utf-8"
    )
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        own = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *own, *command], cwd=folder, check=True, timeout=20)
    for name in ("pre-commit", "post-checkout", "post-index-change", "reference-transaction"):
        hook = folder / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {escaped}\n", "utf-8")
        hook.chmod(0o755)
    return folder


@pytest.fixture
async def repository(root: Path, tmp_path: Path) -> AsyncIterator[Repository]:
    try:
        pyright_command()
    except ToolError as error:
        pytest.skip(f"NO LANGUAGE SERVER ON THIS MACHINE: {error.message}")
    async with Sandbox() as sandbox:
        tried = await sandbox.run("1")
    if tried.status == "refused":
        pytest.skip(f"NO SANDBOX ON THIS MACHINE: {tried.reason}")
    with Repository(root, kept=tmp_path / "kept", seconds=60) as made:
        yield made


def calls(*wanted: tuple[str, dict[str, Any]]) -> list[ToolCall]:
    return [ToolCall(str(i), name, json.dumps(args)) for i, (name, args) in enumerate(wanted)]


def preview(*edits: dict[str, str]) -> list[ToolCall]:
    return calls(("code_preview", {"edits": list(edits)}))


def apply(request: ChatRequest) -> list[ToolCall]:
    """Apply what the latest preview shows."""
    shown = [json.loads(each.content) for each in request.messages
             if each.role == "tool" and '"preview"' in each.content]  # fmt: skip
    return calls(("code_apply", {"preview": shown[-1]["preview"]}))


def script(*replies: Any) -> ScriptedModel:
    """A model that says these one after the other; a function makes its reply of the request."""
    left = list(replies)

    def reply(request: ChatRequest) -> Any:
        following = left.pop(0)
        return following(request) if callable(following) else following

    return ScriptedModel(reply)


def total(body: str) -> dict[str, str]:
    text = f"def total(numbers: list[int]) -> int:\n    return {body}\n"
    return {"op": "replace", "at": "sums.py::total", "text": text}


async def test_a_failing_test_gets_fixed(repository: Repository, root: Path) -> None:
    model = script(
        calls(("code_text", {"at": "sums.py::total"}), ("run_tests", {})),
        preview(total("sum(numbers)")),
        apply,
        calls(("run_tests", {})),
        "total added one too many.",
    )
    answer = await RepositoryAgent(repository, model=model).run("repair the failing test")
    result = answer.output
    assert isinstance(result, RepositoryResult)
    evidence = result.evidence
    assert (result.verdict, result.kept) == ("passed", True), evidence
    assert (evidence.before.passed, evidence.before.total) == (1, 2)
    assert (evidence.after.passed, evidence.after.total) == (2, 2)
    assert evidence.fixed == ("tests/test_sums.py::test_total",)
    assert [(each.files, each.score) for each in evidence.steps] == [(("sums.py",), 0.0)]
    assert evidence.score == 0
    assert evidence.executions == 4
    assert evidence.level in ("strict", "user", "confined")
    assert "-    return sum(numbers) + 1\n+    return sum(numbers)\n" in result.diff
    assert answer.text == "total added one too many."
    assert "return sum(numbers)\n" in (root / "sums.py").read_text("utf-8")
    seen = "\n".join(each.content for each in model.requests[1].messages)
    assert "1 passed, 1 failed" in seen
    assert "assert 7 == 6" in seen
    json.dumps(result.as_json())
    # Neither hooks nor conftest have run anywhere but in the sandbox.
    assert not (root.parent / "escaped").exists()


async def test_what_makes_it_worse_is_taken_back(repository: Repository, root: Path) -> None:
    before = snapshot(root)
    mean = "def mean(numbers: list[int]) -> float:\n    return 'two'\n"
    model = script(
        preview(total("sum(numbers)")),
        apply,
        preview(
            {"op": "replace", "at": "sums.py::mean", "text": mean},
            {"op": "write_file", "path": "tests/test_more.py", "text": "def test_it(): pass\n"},
        ),
        apply,
        "Much better.",
    )
    result = (await RepositoryAgent(repository, model=model).run("repair it")).output
    evidence = result.evidence
    assert (result.verdict, result.kept) == ("worse", False)
    assert evidence.broken == ("tests/test_sums.py::test_mean",)
    assert set(evidence.fixed) == {"tests/test_sums.py::test_total", "tests/test_more.py::test_it"}
    assert [each.score for each in evidence.steps] == [0, -1]
    assert evidence.score == -1
    assert snapshot(root) == before
    assert not (root.parent / "escaped").exists()


async def test_faults_decide_where_tests_say_nothing_new(
    repository: Repository, root: Path
) -> None:
    before = snapshot(root)
    mean = "def mean(numbers: list[int]) -> str:\n    return sum(numbers) / len(numbers)\n"
    model = script(preview({"op": "replace", "at": "sums.py::mean", "text": mean}), apply, "Done.")
    result = (await RepositoryAgent(repository, model=model).run("repair it")).output
    assert (result.verdict, result.evidence.broken, result.kept) == ("worse", (), False)
    assert result.evidence.steps[0].new == 1
    assert snapshot(root) == before


@pytest.mark.parametrize(
    "edit",
    [
        {"op": "write_file", "path": "tests/test_sums.py", "text": "def test_all(): pass\n"},
        {"op": "delete_file", "path": "tests/test_sums.py"},
        {"op": "move_file", "path": "tests/test_sums.py", "to": "tests/kept.py"},
        {"op": "write_file", "path": "tests/conftest.py", "text": "collect_ignore = ['x']\n"},
    ],
)
async def test_the_tests_that_decide_cannot_be_changed(
    repository: Repository, root: Path, edit: dict[str, str]
) -> None:
    before = snapshot(root)
    model = script(preview(edit), apply, "Now it passes.")
    result = (await RepositoryAgent(repository, model=model).run("repair it")).output
    assert result.verdict == "unchanged"
    assert "tests_protected" in model.requests[2].messages[-1].content
    assert snapshot(root) == before


async def test_what_nobody_has_judged_does_not_stay(repository: Repository, root: Path) -> None:
    before = snapshot(root)

    class Unexpected(Exception):
        pass

    def fail(request: ChatRequest) -> Any:
        assert snapshot(root) != before
        raise Unexpected

    model = script(preview(total("sum(numbers)")), apply, fail)
    with pytest.raises(Unexpected):
        await RepositoryAgent(repository, model=model).run("repair it")
    assert snapshot(root) == before


async def test_a_model_that_fails_after_its_changes_is_judged_by_them(
    repository: Repository, root: Path
) -> None:
    model = script(preview(total("sum(numbers)")), apply, ModelError("model_overloaded", "busy"))
    result = (await RepositoryAgent(repository, model=model).run("repair it")).output
    assert (result.verdict, result.kept) == ("passed", True)
    stopped = assert_type(result, RepositoryResult).evidence.stopped
    assert stopped is not None
    assert stopped.code == "model_overloaded"


async def test_it_is_a_step_of_a_plan(repository: Repository, root: Path) -> None:
    model = script(preview(total("sum(numbers)")), apply, "Done.")
    agent = RepositoryAgent(repository, model=model)
    wire = {
        "steps": [{"id": "repair", "tool": "maintainer", "args": {"task": "repair it"}}],
        "answer": "${repair.verdict}: ${repair.evidence.after.passed}",
    }
    options: dict[str, Any] = {"tools": [agent], "builtins": False, "approve": lambda _: _yes()}
    async with Runtime(model=ScriptedModel(), **options) as runtime:
        result = await runtime.run(Plan.from_wire(wire))
    assert result.answer == "passed: 2"


async def _yes() -> bool:
    return True


async def test_other_commands_are_one_test_by_their_exit_code(
    repository: Repository, root: Path
) -> None:
    check = "import sums; assert sums.total([1]) == 1"
    tests = ProjectTests(("python", "-c", check), packages=())
    model = script(preview(total("sum(numbers)")), apply, "Done.")
    result = (await RepositoryAgent(repository, model=model, tests=tests).run("repair it")).output
    assert (result.verdict, result.evidence.fixed) == ("passed", ("(the whole command)",))


async def test_packages_that_are_not_there_are_named(repository: Repository) -> None:
    tests = ProjectTests(packages=("no-such-package-of-anyone",))
    agent = RepositoryAgent(repository, model=ScriptedModel(["x"]), tests=tests)
    with pytest.raises(ToolError, match="package_not_installed"):
        await agent.run("repair it")


@pytest.mark.parametrize("trusted", [False, True])
async def test_what_a_repository_says_is_labelled_unless_it_is_trusted(
    repository: Repository, root: Path, trusted: bool
) -> None:
    written: list[str] = []

    def unwrite(result: str, text: str) -> None:
        written.remove(text)

    @tool(effect="write", undo=unwrite)
    def write(text: str) -> str:
        """Write a text."""
        written.append(text)
        return text

    model = script(
        calls(("code_text", {"at": "sums.py::total"})),
        preview(total("sum(numbers)")),
        apply,
        "Done.",
    )
    agent = RepositoryAgent(repository, model=model, trusted=trusted)
    steps = [
        {"id": "change", "tool": "maintainer", "args": {"task": "repair it"}},
        {"id": "out", "tool": "write", "args": {"text": "${change.answer}"}},
    ]
    policy = ApprovalPolicy(allow(tool="maintainer"))
    async with Runtime(
        model=ScriptedModel([]), tools=[agent, write], builtins=False, approve=policy
    ) as runtime:
        result = await runtime.run(Plan.from_wire({"steps": steps, "answer": "${out}"}))
    # Its own changes need nobody; where its words go does.
    assert "return sum(numbers)\n" in (root / "sums.py").read_text("utf-8")
    assert result.status == ("succeeded" if trusted else "waiting"), result.error
    assert written == (["Done."] if trusted else [])
    taints = {each.step_id: each.taint for each in result.events if isinstance(each, StepFinished)}
    assert bool(taints["change"]) is not trusted
    assert trusted or "code_text (step change)" in taints["change"]


def test_tools_that_read_a_repository_say_whose_words_they_give(tmp_path: Path) -> None:
    root = tmp_path / "code"
    root.mkdir()
    with Repository(root, kept=tmp_path / "kept") as made:
        labelled = {each.name for each in repository_tools(made) if each.gives_untrusted}
        every = {each.name for each in repository_tools(made)}
        assert labelled == every - {"code_apply"}
        assert not any(each.gives_untrusted for each in repository_tools(made, trusted=True))

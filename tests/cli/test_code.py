"""`treadle code`: real processes, a real model server that replays a script, the real sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from treadle.agents.coding import Answer, Call, Question
from treadle.agents.coding.clarifying import Option
from treadle.cli.code_command import reply
from treadle.core.chat import ToolCall
from treadle.testing import RecordedRequest, ScriptedOpenAIServer
from treadle.tools.sandbox import Sandbox

# Whole processes of the command line with sandboxes of their own; one with a language server too.
GOOD = "```python\ndef add(a, b): return a + b\n```"
BAD = "```python\ndef add(a, b): return a - b\n```"
TESTS = "from solution import add\ndef test_add(): assert add(1, 2) == 3\n"

QUESTION = Question(
    "add",
    Call("add", (1, 2)),
    (Option(Answer(3), "returns 3", 2), Option(Answer(error="ValueError"), "raises", 1)),
)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("1", Answer(3)),
        ("2", Answer(error="ValueError")),
        ("= [1, 2]", Answer([1, 2])),
        ("3", None),
        ("0", None),
        ("=nothing", None),
        ("yes", None),
    ],
)
def test_what_a_person_says_is_an_option_or_a_value(said: str, answer: Answer | None) -> None:
    assert reply(said, QUESTION) == answer


@pytest.fixture
async def boxed() -> None:
    async with Sandbox() as sandbox:
        tried = await sandbox.run("1")
    if tried.status == "refused":
        pytest.skip(f"NO SANDBOX ON THIS MACHINE: {tried.reason}")


@pytest.mark.usefixtures("boxed")
@pytest.mark.parametrize(
    ("replies", "tests", "code", "verdict"),
    [
        ([BAD, GOOD], TESTS, 0, "passed"),
        ([GOOD], "", 0, "unverified"),
        ([BAD, BAD, BAD], TESTS, 1, "failed"),
    ],
)
def test_the_verdict_decides_the_exit_code(
    treadle: Callable[..., Any],
    place: Path,
    replies: list[str],
    tests: str,
    code: int,
    verdict: str,
) -> None:
    options = []
    if tests:
        (place / "tests.py").write_text(tests, "utf-8")
        options = ["--tests", "tests.py"]
    with ScriptedOpenAIServer(replies) as server:
        model = f"{server.base_url}#m"
        done = treadle("code", "add two numbers", *options, "--model", model, "--json")
    assert done.code == code, done.err
    assert done.json["verdict"] == verdict
    assert done.json["error"] is None
    assert "def add" in done.json["code"]


@pytest.mark.usefixtures("boxed")
def test_stdout_is_the_program_and_nothing_else(treadle: Callable[..., Any], place: Path) -> None:
    (place / "tests.py").write_text(TESTS, "utf-8")
    with ScriptedOpenAIServer([GOOD]) as server:
        done = treadle("code", "-", "--tests", "tests.py", "--model", f"{server.base_url}#m",
                       stdin="add two numbers")  # fmt: skip
    assert (done.code, done.out) == (0, "def add(a, b): return a + b\n")
    assert "every test passed (1 of 1 tests); 1 attempt, " in done.err


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        ((), 2, "offline_out_of_range"),
        (("--tests", "nothing.py"), 2, "file_not_found"),
        (("--tests", "a.txt"), 2, "bad_tests"),
        (("--candidates", "0"), 2, "bad_strategy"),
        (("--strategy", "heroic"), 2, "bad_usage"),
        (("--max-tokens", "-1"), 2, "bad_budget"),
        (("--repository", "nowhere"), 2, "file_not_found"),
        (("--repository", ".", "--tests", "a.txt"), 2, "bad_usage"),
        (("--repository", ".", "--test-command", "'"), 2, "bad_usage"),
        (("--test-command", "make"), 2, "bad_usage"),
        (("--repository", "."), 2, "offline_out_of_range"),
    ],
)
def test_what_cannot_be_done_is_said(
    treadle: Callable[..., Any], options: tuple[str, ...], code: int, error: str
) -> None:
    model = "http://127.0.0.1:9/v1#m" if error == "bad_budget" else "offline"
    done = treadle("code", "add two numbers", *options, "--model", model, "--json")
    assert done.code == code
    assert done.json["error"]["code"] == error
    assert done.json["run_id"] is None
    assert len(done.err.splitlines()) <= 2


@pytest.mark.parametrize("options", [(), ("--repository", ".")])
@pytest.mark.parametrize(("task", "stdin"), [("", ""), (" \n", ""), ("-", ""), ("-", "\n")])
def test_no_task_is_bad_usage(
    treadle: Callable[..., Any], task: str, stdin: str, options: tuple[str, ...]
) -> None:
    done = treadle("code", task, *options, "--model", "http://127.0.0.1:9/v1#m", stdin=stdin)
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: empty_task: say what is to be done\n"


@pytest.mark.parametrize("command", [("mcp",), ("tools", "made")])
def test_a_group_without_a_command_is_one_line(
    treadle: Callable[..., Any], command: tuple[str, ...]
) -> None:
    done = treadle(*command)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: bad_usage: Missing command.\n")


def messages(request: RecordedRequest) -> Any:
    return request.body["messages"]


@pytest.mark.usefixtures("boxed")
def test_it_is_a_recorded_run(treadle: Callable[..., Any], place: Path) -> None:
    (place / "tests.py").write_text(TESTS, "utf-8")
    # What looks like a reference in a task is the user's own text.
    with ScriptedOpenAIServer([GOOD]) as server:
        done = treadle("code", "print ${name} for $${5}", "--tests", "tests.py", "--model",
                       f"{server.base_url}#m", "--json")  # fmt: skip
        asked = messages(server.requests[0])[1]["content"]
    assert done.code == 0, done.err
    assert "print ${name} for $${5}" in asked
    shown = treadle("show", done.json["run_id"], "--json")
    assert shown.code == 0, shown.err
    (step,) = shown.json["steps"]
    assert (step["tool"], step["status"]) == ("coder", "succeeded")
    assert step["output"]["verdict"] == "passed"


@pytest.mark.usefixtures("boxed")
@pytest.mark.parametrize(("body", "verdict", "code"), [("a + b", "passed", 0), ("1", "worse", 1)])
def test_a_repository_is_changed_or_left_as_it_was(
    treadle: Callable[..., Any], place: Path, body: str, verdict: str, code: int
) -> None:
    before = "def add(a: int, b: int) -> int:\n    return a - b\n"
    tests = "from sums import add\ndef test_one(): assert add(1, 2) == 3\n"
    tests += "def test_none(): assert add(0, 0) == 0\n"
    folder = place / "project"
    folder.mkdir()
    (folder / "sums.py").write_text(before, "utf-8")
    (folder / "test_sums.py").write_text(tests, "utf-8")
    text = f"def add(a: int, b: int) -> int:\n    return {body}\n"
    edits = [{"op": "replace", "at": "sums.py::add", "text": text}]

    def apply(request: RecordedRequest) -> list[ToolCall]:
        shown = json.loads(messages(request)[-1]["content"])
        return [ToolCall("2", "code_apply", json.dumps({"preview": shown["preview"]}))]

    replies = [[ToolCall("1", "code_preview", json.dumps({"edits": edits}))], apply, "Repaired."]
    with ScriptedOpenAIServer(replies) as server:
        done = treadle("code", "repair add", "--repository", "project", "--model",
                       f"{server.base_url}#m", "--json")  # fmt: skip
    assert (done.code, done.json["verdict"]) == (code, verdict), done.err
    assert (folder / "sums.py").read_text("utf-8") == (text if code == 0 else before)
    assert done.json["evidence"]["before"] == {"passed": 1, "total": 2}
    assert f"+    return {body}" in done.json["diff"]


@pytest.mark.parametrize("options", [(), ("--repository", "project")])
def test_its_runs_say_what_to_do_in_place_of_going_on(
    treadle: Callable[..., Any], place: Path, options: tuple[str, ...]
) -> None:
    (place / "project").mkdir()
    done = treadle("code", "add", *options, "--model", "http://127.0.0.1:9/v1#m")
    assert done.code == 1
    run_id = treadle("runs", "--json").json[0]["run_id"]
    again = f"treadle code --repository {place / 'project'}" if options else "treadle code"
    for command in (("resume", run_id), ("fork", run_id, "code")):
        refused = treadle(*command)
        assert (refused.code, refused.err.count("\n")) == (1, 1)
        assert refused.err.startswith("error: not_resumable: ")
        assert f"give {again} the task again" in refused.err
    undone = treadle("undo", run_id)
    assert undone.code == 1
    assert undone.err.startswith("error: not_undoable: ")
    assert ("git diff" in undone.err) == bool(options)
    assert treadle("show", run_id).code == 0

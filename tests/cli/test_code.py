"""`treadle code`: real processes, a real model server that replays a script, the real sandbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from treadle.agents.coding import Answer, Call, Question
from treadle.agents.coding.clarifying import Option
from treadle.cli.code_command import reply
from treadle.testing import ScriptedOpenAIServer
from treadle.tools.sandbox import Sandbox

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
    assert "every test passed (1 of 1 tests)" in done.err


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        ((), 1, "offline_out_of_range"),
        (("--tests", "nothing.py"), 2, "file_not_found"),
        (("--tests", "a.txt"), 2, "bad_tests"),
        (("--candidates", "0"), 2, "bad_strategy"),
        (("--strategy", "heroic"), 2, "bad_usage"),
        (("--max-tokens", "-1"), 2, "bad_budget"),
    ],
)
def test_what_cannot_be_done_is_said(
    treadle: Callable[..., Any], options: tuple[str, ...], code: int, error: str
) -> None:
    done = treadle("code", "add two numbers", *options, "--model", "offline", "--json")
    assert done.code == code
    assert done.json["error"]["code"] == error

"""Odd terminals, odd tools and hasty people: `treadle run` on a real pseudo-terminal."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.chat.terminal import Terminal
from tests.cli.conftest import plan_of

from treadle.testing import ScriptedOpenAIServer

Open = Callable[..., Terminal]
WITH_TOOLS = ("--tools", "mytools:TOOLS")
TALKING = '''
import os
from treadle import tool

@tool
def talk() -> str:
    """Print."""
    print("a tool says hello \\x1b[2J")
    return "talked"

TOOLS = [talk]
'''


@pytest.fixture
def terminal(place: Path, environment: dict[str, str]) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*arguments: str, term: str = "xterm-256color", **size: int) -> Terminal:
        own = {**environment, "TERM": term}
        opened.append(Terminal(arguments, folder=place, environment=own, **size))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.fixture
def execute(terminal: Open, place: Path) -> Open:
    """Runs a plan of these steps on a terminal."""

    def start(*steps: dict[str, Any], tools: str = "mytools:TOOLS", **options: Any) -> Terminal:
        (place / "plan.json").write_text(plan_of(*steps, answer="done"), "utf-8")
        return terminal("exec", "plan.json", "--tools", tools, **options)

    return start


def nap(step_id: str, seconds: float) -> dict[str, Any]:
    return {"id": step_id, "tool": "nap", "args": {"seconds": seconds, "name": step_id}}


def letter(to: str) -> dict[str, Any]:
    return {"id": "letter", "tool": "send", "args": {"to": to}}


def test_repairs_are_seen(terminal: Open) -> None:
    broken = plan_of(nap("a", 0), {"id": "b", "tool": "napp", "args": {"seconds": 0}}, answer="ok")
    mended = plan_of(nap("b", 0))

    def reply(request: object) -> str:
        return broken if len(server.requests) < 2 else mended

    # Slowly: each state is seen, however late a busy machine looks.
    with ScriptedOpenAIServer(reply, tokens_per_second=10) as server:
        screen = terminal("run", "x", "--model", f"{server.base_url}#m", *WITH_TOOLS)
        screen.shows("planning… 1 step ")
        screen.shows("1 repair")
        assert screen.exit_code() == 0
    assert "2/2 steps" in screen.lines[0]
    assert "tokens" in screen.lines[0]
    assert screen.lines[-1] == "ok"


def test_the_failure_is_named_at_the_end(execute: Open) -> None:
    screen = execute(nap("first", 0), {**nap("slow", 600), "timeout": 0.2})
    assert screen.exit_code() == 1
    assert screen.lines[0].startswith("1/2 steps  1 failed ")
    assert any(line.startswith("error: tool_timeout: ") for line in screen.lines)
    assert screen.lines[-1] == "step 'slow' failed; 1 of 2 steps succeeded"


def test_the_question_stays_above_the_picture(execute: Open) -> None:
    screen = execute(letter("x\x1b[2J\u202e"))
    screen.shows("[y/N]")
    screen.send("y\r")
    assert screen.exit_code() == 0
    assert "letter: send (irreversible)" in screen.text
    assert r'to = "x\u001b[2J\u202e"' in screen.text
    assert screen.lines[-1] == "done"


def test_keys_pressed_before_the_question_do_not_answer_it(execute: Open, place: Path) -> None:
    screen = execute(letter("x"))
    screen.send("y\r")
    screen.shows("[y/N]")
    screen.send("\r")
    assert screen.exit_code() == 1
    assert not (place / "sent.txt").exists()


def test_another_size_while_it_runs(execute: Open) -> None:
    screen = execute(*(nap(f"s{number}", 4) for number in range(5)))
    screen.shows("5 running")
    screen.resize(40, 10)
    assert screen.exit_code() == 0
    assert screen.lines[-1] == "done"


def test_what_tools_print_stands_above_the_picture(execute: Open, place: Path) -> None:
    (place / "talking.py").write_text(TALKING, "utf-8")
    screen = execute({"id": "talk", "tool": "talk", "args": {}}, tools="talking:TOOLS")
    assert screen.exit_code() == 0
    assert screen.lines[0].startswith("a tool says hello")
    assert screen.lines[1].startswith("1/1 steps")


def test_a_terminal_that_cannot_redraw_gets_lines(execute: Open) -> None:
    screen = execute(nap("a", 0), term="dumb")
    assert screen.exit_code() == 0
    assert screen.lines[0] == "> a: nap"
    assert screen.lines[-1] == "done"


def test_an_error_takes_three_lines_at_most(terminal: Open, place: Path) -> None:
    screen = terminal("exec", "long-name " * 30, columns=60)
    assert screen.exit_code() == 2
    assert screen.lines[0].startswith("error: ")
    assert len(screen.lines) <= 3
    document = json.dumps({"steps": [{"id": "a", "tool": "x" * 500, "args": {}}]})
    (place / "plan.json").write_text(document, "utf-8")
    screen = terminal("exec", "plan.json", columns=60)
    assert screen.exit_code() == 2
    assert len(screen.lines) <= 3

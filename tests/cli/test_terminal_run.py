"""`treadle run` and `exec` as a person sees them, on a real pseudo-terminal."""

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
LETTER: dict[str, Any] = {"id": "letter", "tool": "send", "args": {"to": "x\x1b[2J\u202e"}}

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def terminal(place: Path, environment: dict[str, str]) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*arguments: str, env: dict[str, str] | None = None, **size: int) -> Terminal:
        own = {name: value for name, value in environment.items() if name.startswith("TREADLE_")}
        opened.append(Terminal(arguments, folder=place, environment={**own, **(env or {})}, **size))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.fixture
def execute(terminal: Open, place: Path) -> Open:
    """Runs a plan of these steps on a terminal."""

    def start(*steps: dict[str, Any], answer: str | None = None, **options: Any) -> Terminal:
        (place / "plan.json").write_text(plan_of(*steps, answer=answer), "utf-8")
        return terminal("exec", "plan.json", *WITH_TOOLS, **options)

    return start


def nap(step_id: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "tool": "nap", "args": {"seconds": seconds, "name": step_id}, **more}


def test_the_dag_live_and_the_answer_last(execute: Open) -> None:
    screen = execute(
        nap("first", 0),
        nap("slow", 600, timeout=1.5),
        nap("after_slow", 0, after=["slow"]),
        {"id": "fan", "tool": "increase", "args": {"number": "${item}"}, "for_each": [1, 2, 3]},
        answer="${fan}",
    )
    screen.shows("Ctrl-C stops the run")
    screen.shows("✓ first")
    screen.until(lambda: any("after slow" in line for line in screen.lines))
    screen.shows("3/3")
    assert screen.exit_code() == 1
    assert screen.lines[0].startswith("2/4 steps  1 failed  1 skipped ")
    assert "└ after_slow" in screen.text
    assert "Ctrl-C stops" not in screen.text
    assert any(line.startswith("error: step_timeout: ") for line in screen.lines)
    assert screen.lines[-1] == "step 'slow' failed; 2 of 4 steps succeeded"
    assert not screen.screen.cursor.hidden


def test_the_planner_is_seen_at_work(terminal: Open) -> None:
    broken = plan_of(nap("a", 0), {"id": "b", "tool": "napp", "args": {"seconds": 0}}, answer="ok")
    mended = plan_of(nap("b", 0))

    def reply(request: object) -> str:
        return broken if len(server.requests) < 2 else mended

    with ScriptedOpenAIServer(reply, tokens_per_second=60) as server:
        screen = terminal("run", "x", "--model", f"{server.base_url}#m", *WITH_TOOLS)
        screen.shows("planning… 1 step ")
        screen.shows("1 repair")
        assert screen.exit_code() == 0
    assert "2/2 steps" in screen.lines[0]
    assert "tokens" in screen.lines[0]
    assert screen.lines[-1] == "ok"


def test_ctrl_c_stops_the_run_and_shows_what_was_done(execute: Open) -> None:
    screen = execute(nap("quick", 0), nap("slow", 600))
    screen.shows("✓ quick")
    screen.shows("1 running")
    screen.send("\x03")
    assert screen.exit_code() == 130
    assert "1 cancelled" in screen.lines[0]
    assert "■ slow" in screen.text
    assert screen.lines[-1] == "  quick: slept 0 quick"
    assert not screen.screen.cursor.hidden


def test_a_second_ctrl_c_ends_it_at_once(execute: Open) -> None:
    screen = execute({"id": "deaf", "tool": "deaf", "args": {}})
    screen.shows("1 running")
    screen.send("\x03")
    screen.shows("stopping… Ctrl-C again ends it at once")
    screen.send("\x03")
    assert screen.exit_code() == 130
    assert not screen.screen.cursor.hidden


@pytest.mark.parametrize(("reply", "code"), [("y\r", 0), ("n\r", 1), ("\r", 1), ("\x04", 1)])
def test_a_call_that_changes_things_asks(execute: Open, place: Path, reply: str, code: int) -> None:
    screen = execute(nap("first", 0), LETTER, nap("last", 0, after=["letter"]), answer="${letter}")
    screen.shows("Run them? [y/N]")
    assert "letter: send (irreversible)" in screen.text
    assert r'to = "x\u001b[2J\u202e"' in screen.text
    assert not (place / "sent.txt").exists()
    screen.send(reply)
    assert screen.exit_code() == code
    assert (place / "sent.txt").exists() == (code == 0)
    assert "letter: send (irreversible)" in screen.text, "the question stays above the picture"
    if code:
        assert "approval_denied" in screen.text
    else:
        assert screen.lines[-1] == "sent to x\\x1b[2J\\u202e"


def test_ctrl_c_at_the_question(execute: Open, place: Path) -> None:
    screen = execute(LETTER)
    screen.shows("Run them? [y/N]")
    screen.send("\x03")
    assert screen.exit_code() == 130
    assert not (place / "sent.txt").exists()


def test_keys_pressed_before_the_question_do_not_answer_it(execute: Open, place: Path) -> None:
    screen = execute(nap("slow", 1), {**LETTER, "after": ["slow"]})
    screen.shows("1 running")
    screen.send("y\r")
    screen.shows("Run them? [y/N]")
    screen.send("\r")
    assert screen.exit_code() == 1
    assert not (place / "sent.txt").exists()


def test_many_steps_on_a_small_terminal(execute: Open) -> None:
    steps = [
        {"id": f"s{number}", "tool": "increase", "args": {"number": number}}
        for number in range(2_000)
    ]
    screen = execute(*steps, answer="all done", columns=40, rows=12)
    assert screen.exit_code() == 0
    assert screen.lines[0].startswith("2,000/2,000 steps")
    assert screen.lines[-1] == "all done"
    assert len(screen.lines) <= 12


def test_another_size_while_it_runs(execute: Open) -> None:
    screen = execute(*(nap(f"s{number}", 1.5) for number in range(5)), answer="done")
    screen.shows("5 running")
    screen.resize(40, 10)
    assert screen.exit_code() == 0
    assert screen.lines[-1] == "done"


def test_what_tools_print_and_raise_stays_apart(execute: Open) -> None:
    screen = execute(
        {"id": "talk", "tool": "talk", "args": {}},
        {"id": "hostile", "tool": "hostile", "args": {}},
    )
    assert screen.exit_code() == 1
    assert screen.lines[0] == "a tool says hello"
    assert screen.lines[1].startswith("1/2 steps")
    assert "\\x1b[31m alert [bold]x[/bold]" in screen.text


def test_no_colour_where_none_is_wanted(execute: Open) -> None:
    screen = execute(nap("a", 0), answer="done", env={"NO_COLOR": "1"})
    assert screen.exit_code() == 0
    colours = {cell.fg for row in screen.screen.buffer.values() for cell in row.values()}
    assert colours == {"default"}


def test_a_terminal_that_cannot_redraw_gets_lines(execute: Open) -> None:
    screen = execute(nap("a", 0), answer="done", env={"TERM": "dumb"})
    assert screen.exit_code() == 0
    assert screen.lines[0] == "> a: nap"
    assert screen.lines[-1] == "done"


def test_an_error_takes_three_lines_at_most(terminal: Open, place: Path) -> None:
    name = "long-name " * 30
    screen = terminal("exec", name, columns=60)
    assert screen.exit_code() == 2
    assert screen.lines[0].startswith("error: ")
    assert len(screen.lines) <= 3
    document = json.dumps({"steps": [{"id": "a", "tool": "x" * 500, "args": {}}]})
    (place / "plan.json").write_text(document, "utf-8")
    screen = terminal("exec", "plan.json", columns=60)
    assert screen.exit_code() == 2
    assert len(screen.lines) <= 3

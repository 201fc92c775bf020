"""`treadle run` and `treadle exec` as a person sees them, on a real pseudo-terminal."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.chat.terminal import Terminal
from tests.cli.conftest import plan_of

from treadle.testing import ScriptedOpenAIServer

Start = Callable[..., Terminal]


@pytest.fixture
def start(place: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Starts `treadle ARGUMENTS` on a pseudo-terminal; everything started is closed at the end."""
    started: list[Terminal] = []

    def run(*arguments: str, columns: int = 80, rows: int = 24, **extra: str) -> Terminal:
        terminal = Terminal(
            arguments,
            folder=place,
            environment={**environment, **extra},
            columns=columns,
            rows=rows,
        )
        started.append(terminal)
        return terminal

    yield run
    for terminal in started:
        terminal.close()


@pytest.fixture
def exec_plan(place: Path, start: Start) -> Start:
    """Starts `treadle exec` of these steps on a pseudo-terminal."""

    def run(
        *steps: dict[str, Any],
        answer: str | None = None,
        options: tuple[str, ...] = (),
        **more: Any,
    ) -> Terminal:
        (place / "plan.json").write_text(plan_of(*steps, answer=answer), "utf-8")
        return start("exec", "plan.json", "--tools", "mytools:TOOLS", *options, **more)

    return run


def row(terminal: Terminal, word: str) -> str:
    """The line of the screen that shows the step `word`."""
    return next((line for line in terminal.lines if f" {word} " in f" {line} "), "")


def slow(step_id: str, *after: str, seconds: float = 600) -> dict[str, Any]:
    return {"id": step_id, "tool": "nap", "args": {"seconds": seconds}, "after": list(after)}


def test_a_task_is_shown_while_it_runs_and_answered_below(start: Start) -> None:
    terminal = start("run", "which is longer, a.txt or b.txt?", "--model", "offline")
    assert terminal.exit_code() == 0
    assert terminal.lines[-1] == "a.txt has the most lines (3), b.txt has 1."
    assert "steps" in terminal.lines[0]
    assert "file_statistics" in terminal.text
    assert "✓" in terminal.text
    assert "Ctrl-C stops the run" not in terminal.text
    assert not terminal.screen.cursor.hidden


def test_each_step_has_a_row_with_its_state(exec_plan: Start) -> None:
    terminal = exec_plan(
        {"id": "quick", "tool": "increase", "args": {"number": 1}},
        {"id": "alarm", "tool": "hostile", "args": {}},
        {"id": "after_alarm", "tool": "nap", "args": {"seconds": 0, "name": "${alarm}"}},
        {
            "id": "fan",
            "tool": "increase",
            "args": {"number": "${item}"},
            "for_each": list(range(12)),
        },
        slow("long"),
        slow("later", "long"),
    )
    expected = {
        "quick": ("✓", "increase"),
        "alarm": ("✗", "hostile", "tool_failed"),
        "after_alarm": ("↷", "dependency_failed"),
        "fan": ("✓", "12/12"),
        "long": ("nap",),
        "later": ("·", "after long"),
        "Ctrl-C": ("stops the run",),
    }
    # At once, as a screen may be read while it is redrawn.
    terminal.until(
        lambda: all(
            word in row(terminal, name) for name, words in expected.items() for word in words
        )
    )
    terminal.send("\x03")
    assert terminal.exit_code() == 130
    assert "■" in row(terminal, "long")
    assert "quick: 2" in terminal.text, "what was done is there"
    assert not terminal.screen.cursor.hidden


def test_a_large_plan_stays_within_the_screen(exec_plan: Start) -> None:
    steps = [{"id": f"s{n}", "tool": "increase", "args": {"number": n}} for n in range(500)]
    terminal = exec_plan(*steps, slow("long"), rows=15)
    terminal.until(
        lambda: all(word in terminal.text for word in ("500/501", " long ", "more steps", "Ctrl-C"))
    )
    assert len(terminal.lines) <= 15, "nothing has scrolled away"
    terminal.send("\x03")
    assert terminal.exit_code() == 130


def test_a_narrow_screen_is_never_wrapped(exec_plan: Start) -> None:
    terminal = exec_plan(
        {"id": "a" * 60, "tool": "hostile", "args": {}}, slow("long"), columns=40, rows=12
    )
    terminal.until(lambda: "✗" in terminal.text and terminal.lines[-1] == "Ctrl-C stops the run")
    assert len(terminal.lines) == 4
    terminal.send("\x03")
    assert terminal.exit_code() == 130


def test_the_planner_is_seen_at_work(start: Start) -> None:
    steps = [{"id": f"s{n}", "tool": "increase", "args": {"number": n}} for n in range(40)]
    plan = plan_of(*steps, answer="${s39}")
    with ScriptedOpenAIServer(lambda request: plan, tokens_per_second=30) as server:
        terminal = start(
            "run", "count", "--model", f"{server.base_url}#m", "--tools", "mytools:TOOLS"
        )
        terminal.shows("planning…")
        # Steps run while the plan is still being written.
        terminal.until(lambda: "✓ s0" in terminal.text and "planning…" in terminal.lines[0])
        terminal.send("\x03")
        assert terminal.exit_code() == 130


def test_planning_alone_shows_that_it_goes_on(start: Start) -> None:
    plan = plan_of({"id": "one", "tool": "increase", "args": {"number": 1}}, answer="x" * 200)
    with ScriptedOpenAIServer(lambda request: plan, tokens_per_second=20) as server:
        terminal = start(
            "plan", "count", "--model", f"{server.base_url}#m", "--tools", "mytools:TOOLS"
        )
        terminal.shows("planning…")
        assert terminal.exit_code() == 0
    assert terminal.lines[0] == "one: increase(number=1)"
    assert "planning…" not in terminal.text
    assert not terminal.screen.cursor.hidden


def test_keys_do_not_disturb_the_picture(exec_plan: Start) -> None:
    terminal = exec_plan(slow("long"))
    terminal.until(lambda: "1 running" in terminal.text and "Ctrl-C" in terminal.lines[-1])
    before = len(terminal.lines)
    terminal.send("typed\rmeanwhile\r")
    seen = terminal.text
    terminal.until(lambda: terminal.text != seen and "Ctrl-C" in terminal.lines[-1])
    assert len(terminal.lines) == before
    terminal.send("\x03")
    assert terminal.exit_code() == 130
    assert "typed" not in terminal.text


def test_a_second_ctrl_c_leaves_a_usable_terminal(exec_plan: Start) -> None:
    terminal = exec_plan({"id": "c", "tool": "cling", "args": {}})
    terminal.shows("1 running")
    terminal.send("\x03")
    terminal.shows("stopping…")
    terminal.send("\x03")
    assert terminal.exit_code() == 130
    assert not terminal.screen.cursor.hidden


def test_foreign_text_cannot_command_the_screen(exec_plan: Start) -> None:
    terminal = exec_plan({"id": "h", "tool": "hostile", "args": {}}, columns=200)
    assert terminal.exit_code() == 1
    assert "\\x1b[31m alert [bold]x[/bold]" in terminal.text


def test_no_color_means_none(exec_plan: Start) -> None:
    step = {"id": "one", "tool": "increase", "args": {"number": 1}}
    terminal = exec_plan(step, answer="${one}", NO_COLOR="1")
    assert terminal.exit_code() == 0
    cells = [cell for line in terminal.screen.buffer.values() for cell in line.values()]
    assert {cell.fg for cell in cells} == {"default"}


SEND = (
    {"id": "one", "tool": "increase", "args": {"number": 1}},
    {"id": "letter", "tool": "send", "args": {"to": "no. ${one} \x1b[31m[bold]x[/bold]"}},
)
QUESTION = "[y/N]"


def test_a_yes_lets_the_call_happen(exec_plan: Start, place: Path) -> None:
    terminal = exec_plan(*SEND, answer="${letter}")
    terminal.shows(QUESTION)
    asked = terminal.text
    assert "letter" in asked
    assert "send" in asked
    assert "irreversible" in asked
    assert "u001b[31m[bold]x[/bold]" in "".join(asked.split())
    assert not (place / "sent.txt").exists()
    terminal.send("y\r")
    assert terminal.exit_code() == 0
    assert (place / "sent.txt").read_text("utf-8").startswith("no. 2")
    assert "✓" in row(terminal, "letter")
    assert not terminal.screen.cursor.hidden


@pytest.mark.parametrize("reply", ["n\r", "\r"], ids=["no", "enter"])
def test_a_no_runs_nothing(exec_plan: Start, place: Path, reply: str) -> None:
    terminal = exec_plan(*SEND, answer="${letter}")
    terminal.shows(QUESTION)
    terminal.send(reply)
    assert terminal.exit_code() == 1
    assert "approval_denied" in terminal.text
    assert not (place / "sent.txt").exists()


def test_ctrl_c_at_the_question_stops_the_run(exec_plan: Start, place: Path) -> None:
    terminal = exec_plan(*SEND)
    terminal.shows(QUESTION)
    terminal.send("\x03")
    assert terminal.exit_code() == 130
    assert not (place / "sent.txt").exists()
    assert "Fatal Python error" not in terminal.text
    assert "Traceback" not in terminal.text


def test_yes_asks_nothing(exec_plan: Start, place: Path) -> None:
    terminal = exec_plan(*SEND, options=("--yes",))
    assert terminal.exit_code() == 0
    assert QUESTION not in terminal.text
    assert (place / "sent.txt").exists()


def test_json_at_a_terminal_is_json_and_asks_nothing(exec_plan: Start) -> None:
    terminal = exec_plan(*SEND, options=("--json",), columns=200, rows=100)
    assert terminal.exit_code() == 3
    text = terminal.text
    document = json.loads(text[text.index("\n{\n") : text.rindex("}") + 1])
    assert document["status"] == "waiting"

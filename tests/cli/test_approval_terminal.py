"""Approvals on a real pseudo-terminal, and from another process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.chat.terminal import Terminal
from tests.cli.conftest import Outcome, plan_of

Treadle = Callable[..., Outcome]
WITH_TOOLS = ("--tools", "mytools:TOOLS")
LETTERS = [{"id": name, "tool": "send", "args": {"to": name}} for name in ("ann", "bob", "cy")]


@pytest.fixture
def execute(place: Path, environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*steps: dict[str, Any]) -> Terminal:
        (place / "plan.json").write_text(plan_of(*steps, answer="over"), "utf-8")
        arguments = ("exec", "plan.json", *WITH_TOOLS)
        opened.append(Terminal(arguments, folder=place, environment=environment, columns=100))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def sent(place: Path) -> list[str]:
    file = place / "sent.txt"
    return sorted(file.read_text("utf-8").split()) if file.exists() else []


def test_several_calls_are_answered_together(execute: Callable[..., Terminal], place: Path) -> None:
    screen = execute(*LETTERS)
    screen.shows("Run them? [y/N]")
    for number, name in enumerate(("ann", "bob", "cy"), start=1):
        assert f"{number}. {name}: send (irreversible)" in screen.text
    screen.send("hm\r")
    screen.shows("Run them? [y/N]", 2)
    assert sent(place) == []
    screen.send("1,3 because bob is away\r")
    assert screen.exit_code() == 1
    assert sent(place) == ["ann", "cy"]
    assert "approval_denied" in screen.text
    assert "bob is away" in " ".join(screen.text.split())


def test_arguments_are_edited(execute: Callable[..., Terminal], place: Path) -> None:
    screen = execute(*LETTERS)
    screen.shows("Run them? [y/N]")
    screen.send("e 2\r")
    screen.shows("arguments of bob as JSON:")
    screen.send('{"to": 5}\r')
    screen.shows("'send': to")
    screen.shows("arguments of bob as JSON:", 2)
    screen.send('{"to": "Robert"}\r')
    screen.shows("Run them? [y/N]", 2)
    screen.send("y\r")
    assert screen.exit_code() == 0
    assert sent(place) == ["Robert", "ann", "cy"]


def test_an_end_of_input_is_no_answer(
    execute: Callable[..., Terminal], treadle: Treadle, place: Path
) -> None:
    screen = execute(*LETTERS)
    screen.shows("Run them? [y/N]")
    screen.send("\x04")
    assert screen.exit_code() == 3
    assert sent(place) == []
    (run,) = treadle("runs", "--json").json
    assert run["status"] == "waiting"
    assert treadle("approve", run["run_id"], "--all").code == 0
    assert treadle("resume", run["run_id"], "--json").code == 0
    assert sent(place) == ["ann", "bob", "cy"]


def test_an_answer_from_another_process_takes_the_question_away(
    execute: Callable[..., Terminal], treadle: Treadle, place: Path
) -> None:
    screen = execute(*LETTERS)
    screen.shows("Run them? [y/N]")
    (run,) = treadle("runs", "--json").json
    assert treadle("approve", run["run_id"], "ann", "bob").code == 0
    assert treadle("approve", run["run_id"], "cy", "--deny", "--reason", "no cy").code == 0
    assert screen.exit_code() == 1
    assert sent(place) == ["ann", "bob"]
    assert "no cy" in " ".join(screen.text.split())


def waiting(treadle: Treadle) -> str:
    outcome = treadle("exec", "-", *WITH_TOOLS, "--json", stdin=plan_of(*LETTERS, answer="over"))
    assert outcome.code == 3
    return str(outcome.json["run_id"])


def test_steps_are_approved_from_another_process(treadle: Treadle, place: Path) -> None:
    run = waiting(treadle)
    said = treadle("approve", run, "ann", "--args", '{"to": "Anna"}', "--json")
    assert said.json == {"run_id": run, "steps": ["ann"], "decision": "approved"}
    assert treadle("approve", run, "bob", "--deny", "--reason", "not now").code == 0
    assert treadle("approve", run, "--all", "--json").json["steps"] == ["ann", "bob", "cy"]
    result = treadle("resume", run, "--json")
    assert result.code == 1
    assert sent(place) == ["Anna", "cy"]
    assert "not now" in result.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "bad_arguments"),
        (("--all", "ann"), "bad_arguments"),
        (("ann", "nobody"), "nothing_waits"),
        (("ann", "bob", "--args", "{}"), "bad_arguments"),
        (("--all", "--args", '{"to": "x"}'), "bad_arguments"),
        (("ann", "--deny", "--args", '{"to": "x"}'), "bad_arguments"),
        (("ann", "--args", '{"too": "x"}'), "invalid_arguments"),
    ],
)
def test_answers_that_are_none(
    treadle: Treadle, place: Path, arguments: tuple[str, ...], code: str
) -> None:
    run = waiting(treadle)
    outcome = treadle("approve", run, *arguments)
    assert outcome.code != 0
    assert f"error: {code}" in outcome.err
    assert treadle("resume", run, "--json").code == 3
    assert sent(place) == []

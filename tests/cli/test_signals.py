"""Signals: the first stops the run and keeps what was done, the second ends the process."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import plan_of

from treadle.testing import Fault, ScriptedOpenAIServer

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(place: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Starts `treadle ARGUMENTS` with pipes; what is left is killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "treadle", *arguments],
            cwd=place,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def read_until(process: "subprocess.Popen[bytes]", words: bytes) -> None:
    """Read stderr up to a line with `words`."""
    assert process.stderr is not None
    seen = b""
    while words not in (line := process.stderr.readline()):
        seen += line
        assert line, f"it ended before {words!r}: {seen.decode()}"


def test_terminate_is_like_ctrl_c(start: Start, place: Path) -> None:
    steps: list[dict[str, Any]] = [
        {"id": "quick", "tool": "increase", "args": {"number": 1}},
        {"id": "slow", "tool": "nap", "args": {"seconds": 600, "name": "${quick} naps"}},
    ]
    (place / "plan.json").write_text(plan_of(*steps), "utf-8")
    process = start("exec", "plan.json", "--tools", "mytools:TOOLS", "--json")
    read_until(process, b"> slow")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    document = json.loads(out)
    assert document["status"] == "cancelled"
    assert [step["status"] for step in document["steps"]] == ["succeeded", "cancelled"]
    assert b"Traceback" not in err


def test_what_was_done_is_printed_without_json_too(start: Start, place: Path) -> None:
    steps: list[dict[str, Any]] = [
        {"id": "quick", "tool": "increase", "args": {"number": 41}},
        {"id": "slow", "tool": "nap", "args": {"seconds": 600, "name": "${quick} naps"}},
    ]
    (place / "plan.json").write_text(plan_of(*steps), "utf-8")
    process = start("exec", "plan.json", "--tools", "mytools:TOOLS")
    read_until(process, b"> slow")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert b"quick: 42" in err
    assert b"Traceback" not in err


def test_a_second_interrupt_ends_the_process_at_once(start: Start, place: Path) -> None:
    (place / "plan.json").write_text(plan_of({"id": "c", "tool": "cling", "args": {}}), "utf-8")
    process = start("exec", "plan.json", "--tools", "mytools:TOOLS")
    read_until(process, b"> c")
    process.send_signal(signal.SIGINT)
    read_until(process, b"clinging")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_stubborn_tool_does_not_keep_an_interrupted_run(start: Start, place: Path) -> None:
    (place / "plan.json").write_text(plan_of({"id": "c", "tool": "cling", "args": {}}), "utf-8")
    process = start("exec", "plan.json", "--tools", "mytools:TOOLS", "--json")
    read_until(process, b"> c")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["steps"][0]["status"] == "cancelled"


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_model_is_silent(
    start: Start, command: str, number: signal.Signals
) -> None:
    with ScriptedOpenAIServer([Fault.silence()]) as server:
        process = start(command, "x", "--model", f"{server.base_url}#m", "--json")
        while not server.requests:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    document = json.loads(out)
    assert (document["status"], document["error"]["code"]) == ("cancelled", "cancelled")
    assert b"Traceback" not in err

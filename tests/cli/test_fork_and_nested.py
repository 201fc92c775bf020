"""Forks, and runs within runs, from the command line."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Outcome, plan_of

Treadle = Callable[..., Outcome]

NESTED = """
import asyncio
from treadle import Plan, Runtime, tool

def unsend(result: str, to: str) -> None:
    with open("unsent.txt", "a") as file:
        file.write(to + "\\n")

@tool(effect="write", undo=unsend)
def note(to: str) -> str:
    \"\"\"Note something.\"\"\"
    with open("noted.txt", "a") as file:
        file.write(to + "\\n")
    return "noted " + to

@tool(effect="irreversible")
def send(to: str) -> str:
    \"\"\"Send a letter.\"\"\"
    with open("sent.txt", "a") as file:
        file.write(to + "\\n")
    return "sent to " + to

@tool
async def nap() -> str:
    \"\"\"Sleep for long.\"\"\"
    open("napping", "w").close()
    await asyncio.sleep(600)
    return ""

INNER = {"steps": [
    {"id": "n", "tool": "note", "args": {"to": "ann"}},
    {"id": "s", "tool": "send", "args": {"to": "bob"}, "after": ["n"]},
], "answer": "${s}"}

WITHIN = Runtime(model="offline", tools=[note, send, nap], builtins=False)
TOOLS = [
    note,
    WITHIN.as_tool("mailer", "Mails.", plan=Plan.from_wire(INNER), effect="write"),
    WITHIN.as_tool("napper", "Naps.", plan=Plan.from_wire({"steps": [{"id": "z", "tool": "nap"}]})),
]
"""

TOOLS = ("--tools", "nested:TOOLS")


@pytest.fixture(autouse=True)
def nested(place: Path) -> None:
    (place / "nested.py").write_text(NESTED, "utf-8")


def lines(place: Path, name: str) -> list[str]:
    return (place / name).read_text().split() if (place / name).exists() else []


def test_an_approval_within_is_given_and_the_run_goes_on(treadle: Treadle, place: Path) -> None:
    plan = plan_of({"id": "m", "tool": "mailer"}, answer="${m}")
    outcome = treadle("exec", "-", *TOOLS, "--json", stdin=plan)
    assert outcome.code == 3
    run_id = outcome.json["run_id"]
    child = f"{run_id}.m.1"
    assert outcome.json["steps"][0]["error"]["code"] == "nested_run_waits"
    assert treadle("approve", child, "s").code == 0
    resumed = treadle("resume", run_id, "--json")
    assert (resumed.code, resumed.json["answer"]) == (0, "sent to bob")
    assert lines(place, "noted.txt") == ["ann"]
    assert lines(place, "sent.txt") == ["bob"]
    undone = treadle("undo", run_id, "--json")
    assert undone.code == 1
    assert [(each["run"], each["step"], each["undone"]) for each in undone.json["undone"]] == [
        (child, "s", False),
        (child, "n", True),
    ]
    assert lines(place, "unsent.txt") == ["ann"]
    assert f"{child}/s" in treadle("undo", run_id).err


@pytest.mark.parametrize("command", ["cancel", "kill"])
def test_what_ends_the_outer_run_ends_the_one_within(
    treadle: Treadle, place: Path, environment: dict[str, str], command: str
) -> None:
    (place / "plan.json").write_text(plan_of({"id": "m", "tool": "napper"}, answer="${m}"))
    process = subprocess.Popen(
        [sys.executable, "-m", "treadle", "exec", "plan.json", *TOOLS, "--json"],
        cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (place / "napping").exists():
            assert time.monotonic() < deadline, "it never came so far"
            time.sleep(0.05)
        (row,) = treadle("runs", "--json").json
        if command == "cancel":
            assert treadle("cancel", row["run_id"]).code == 0
        else:
            process.send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    shown = treadle("replay", f"{row['run_id']}.m.1", "--json").json
    if command == "cancel":
        assert process.returncode == 130
        assert json.loads(out)["status"] == "cancelled"
        assert shown["status"] == "cancelled"
    else:
        assert shown["status"] is None


def test_fork_goes_another_way(treadle: Treadle, place: Path) -> None:
    plan = plan_of(
        {"id": "a", "tool": "note", "args": {"to": "ann"}},
        {"id": "b", "tool": "note", "args": {"to": "${a}"}},
        answer="${b}",
    )
    run_id = treadle("exec", "-", *TOOLS, "--json", stdin=plan).json["run_id"]
    fork = treadle("fork", run_id, "b", "--args", '{"to": "bob"}', "--json")
    assert fork.code == 3, "an effect that is made anew asks"
    assert lines(place, "noted.txt") == ["ann", "noted", "ann"]
    fork = treadle("fork", run_id, "b", "--args", '{"to": "bob"}', "--yes", "--json")
    assert (fork.code, fork.json["answer"]) == (0, "noted bob")
    rows = treadle("runs", "--json").json
    assert [row["forked_from"] for row in rows] == [run_id, run_id, None]


def test_what_cannot_be_forked(treadle: Treadle) -> None:
    plan = plan_of({"id": "a", "tool": "note", "args": {"to": "ann"}}, answer="${a}")
    run_id = treadle("exec", "-", *TOOLS, "--json", stdin=plan).json["run_id"]
    for arguments, code, error in (
        (("run_0", "a"), 1, "run_not_found"),
        ((run_id, "z"), 1, "unknown_step"),
        ((run_id, "a", "--args", "[]"), 2, "bad_arguments"),
        ((run_id, "a", "--args", '{"x": 1}'), 2, "invalid_arguments"),
    ):
        outcome = treadle("fork", *arguments, "--json")
        assert (outcome.code, outcome.json["error"]["code"]) == (code, error)


def test_a_trace_that_cannot_be_sent_is_a_warning(treadle: Treadle) -> None:
    outcome = treadle("run", "what is 6 * 7", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert outcome.code == 0
    assert "42" in outcome.out

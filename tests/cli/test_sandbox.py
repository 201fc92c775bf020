"""`treadle sandbox` in real processes."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.tools.sandbox.machine import need

from treadle.tools.sandbox import SandboxLevel

Treadle = Any
FIELDS = {"status", "exit_code", "stdout", "stderr", "level", "seconds"}


@pytest.fixture(autouse=True)
def _level() -> None:
    need(SandboxLevel.STRICT)


def document(outcome: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(outcome.out)
    assert FIELDS <= set(read) <= FIELDS | {"reason", "truncated"}
    return read


@pytest.mark.parametrize(
    ("code", "options", "status", "exit_code", "ended"),
    [
        ("print('hello')", [], "ok", 0, 0),
        ("raise SystemExit(9)", [], "error", 9, 1),
        ("1 / 0", [], "error", 1, 1),
        ("while True: pass", ["--timeout", "0.6"], "timeout", None, 4),
        ("x = bytearray(10 ** 9)", ["--memory", "64"], "memory", None, 5),
        ("import os; os.kill(os.getpid(), 9)", [], "killed", None, 6),
        ("while True: print('x' * 1000)", [], "killed", None, 6),
    ],
)
def test_run_json(
    treadle: Treadle,
    place: Path,
    code: str,
    options: list[str],
    status: str,
    exit_code: int | None,
    ended: int,
) -> None:
    (place / "code.py").write_text(code)
    outcome = treadle("sandbox", "run", "code.py", "--json", *options)
    read = document(outcome)
    assert (read["status"], read["exit_code"], outcome.code) == (status, exit_code, ended), read
    assert read["level"] == "strict"
    assert read["seconds"] > 0


def test_run_keeps_what_was_written_before_the_end(treadle: Treadle, place: Path) -> None:
    (place / "code.py").write_text("print('started')\nwhile True: pass")
    read = document(treadle("sandbox", "run", "code.py", "--json", "--timeout", "5"))
    assert (read["status"], read["stdout"]) == ("timeout", "started\n")
    assert read["reason"] == "it took more than its 5 s"


def test_run_counts_the_seconds_of_the_clock(treadle: Treadle, place: Path) -> None:
    """Four threads that hash use more of the processors than the clock shows."""
    (place / "code.py").write_text(
        "import hashlib, threading, time\n"
        "def busy():\n"
        "    while time.process_time() < 4: hashlib.sha256(bytes(1 << 20)).digest()\n"
        "threads = [threading.Thread(target=busy) for _ in range(4)]\n"
        "[each.start() for each in threads]; [each.join() for each in threads]\n"
        "print('done')\n"
    )
    # The time on the processors is over that of the clock where there are several of them; where
    # there is one, or others keep them busy, it ends by the clock, and says so.
    read = document(treadle("sandbox", "run", "code.py", "--json", "--timeout", "3"))
    assert (read["status"], read["stdout"], read.get("reason")) in (
        ("ok", "done\n", None),
        ("timeout", "", "it took more than its 3 s"),
    )


def test_run_json_commands_no_terminal(treadle: Treadle, place: Path) -> None:
    hostile = "\x1b \x9b \u202e \x7f \u2028 \U0001f600"
    (place / "code.py").write_text(f"print({hostile!a})")
    outcome = treadle("sandbox", "run", "code.py", "--json")
    assert document(outcome)["stdout"] == hostile + "\n"
    assert all(" " <= each <= "~" or each == "\n" for each in outcome.out)


def test_run_prints_what_the_code_prints_and_no_escapes(treadle: Treadle, place: Path) -> None:
    (place / "code.py").write_text(
        "import sys\nprint('a \\x1b[31m')\nprint('b \\x9b', file=sys.stderr)"
    )
    outcome = treadle("sandbox", "run", "code.py")
    assert (outcome.code, outcome.out) == (0, "a \\x1b[31m\n")
    assert outcome.err == "b \\x9b\n"


def test_run_reads_stdin(treadle: Treadle) -> None:
    outcome = treadle("sandbox", "run", "-", "--json", stdin="print(6 * 7)")
    assert document(outcome)["stdout"] == "42\n"


@pytest.mark.parametrize("file", ["no-such-file.py", ".", "latin.py"])
def test_files_that_cannot_be_read(treadle: Treadle, place: Path, file: str) -> None:
    (place / "latin.py").write_bytes(b"x = '\xe9'")
    outcome = treadle("sandbox", "run", file, "--json")
    read = document(outcome)
    assert (outcome.code, read["status"]) == (2, "refused")
    assert read["reason"].startswith("file_unreadable: ")
    assert "error: file_unreadable: " in outcome.err


@pytest.mark.parametrize(
    "options",
    [
        ["--timeout", "0"],
        ["--timeout", "nan"],
        ["--memory", "1"],
        ["--min-level", "best"],
        ["--min-level"],
    ],
)
def test_bad_usage(treadle: Treadle, place: Path, options: list[str]) -> None:
    (place / "code.py").write_text("1")
    outcome = treadle("sandbox", "run", "code.py", *options)
    assert outcome.code == 2
    assert "bad_usage" in outcome.err


def test_unsafe_cannot_be_had_from_the_command_line(treadle: Treadle, place: Path) -> None:
    (place / "code.py").write_text("1")
    outcome = treadle("sandbox", "run", "code.py", "--json", "--min-level", "unsafe")
    assert document(outcome)["level"] == "strict"


def test_probe(treadle: Treadle) -> None:
    outcome = treadle("sandbox", "probe", "--json")
    found = json.loads(outcome.out)
    assert (outcome.code, found["level"], found["unbounded"]) == (0, "strict", [])
    assert [each["level"] for each in found["levels"]] == [
        "strict", "user", "remote", "container", "confined", "seatbelt",
    ]  # fmt: skip
    outcome = treadle("sandbox", "probe")
    assert outcome.out.startswith("level: strict\n")


@pytest.mark.parametrize("more", [[], ["--sessions"]])
def test_selftest_without_controls(treadle: Treadle, more: list[str]) -> None:
    options = ["--only", "core-dump", "--no-control", "--json", *more]
    outcome = treadle("sandbox", "selftest", *options)
    found = json.loads(outcome.out)
    assert (outcome.code, found["level"], found["counts"]["held"]) == (0, "strict", 1)
    assert [each["control"] for each in found["attacks"]] == [""]
    assert outcome.err.startswith("core-dump: held (")


def test_doctor_shows_the_level(treadle: Treadle) -> None:
    found = json.loads(treadle("doctor", "--json").out)
    assert found["sandbox"]["level"] == "strict"
    assert "level:            strict" in treadle("doctor").out

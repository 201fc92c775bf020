"""`treadle sandbox run` where nothing runs, and files in the character sets of their coding line."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.tools.sandbox.machine import need

from treadle.tools.sandbox import SandboxLevel

Treadle = Any
REFUSED = {
    "status": "refused",
    "exit_code": None,
    "stdout": "",
    "stderr": "",
    "level": None,
    "seconds": 0.0,
}


def refused(outcome: Any, reason: str) -> None:
    read = json.loads(outcome.out)
    assert read.pop("reason").startswith(reason)
    assert read == REFUSED


@pytest.mark.parametrize(
    "arguments",
    [
        ["code.py", "--timeout", "soon"],
        ["code.py", "--timeout", "0"],
        ["code.py", "--nothing"],
        ["code.py", "another.py"],
        ["code.py", "--min-level", "best"],
        [],
    ],
)
def test_bad_usage_has_the_shape_of_a_run(
    treadle: Treadle, place: Path, arguments: list[str]
) -> None:
    (place / "code.py").write_text("1")
    outcome = treadle("sandbox", "run", "--json", *arguments)
    assert outcome.code == 2
    refused(outcome, "bad_usage: ")
    assert outcome.err.startswith("error: bad_usage: ")
    assert "treadle sandbox run --help" in outcome.err


def test_bad_usage_without_json_prints_nothing(treadle: Treadle) -> None:
    outcome = treadle("sandbox", "run", "--nothing", "code.py")
    assert (outcome.code, outcome.out) == (2, "")
    assert "error: bad_usage: " in outcome.err


def test_what_cannot_be_read_ran_at_no_level(treadle: Treadle) -> None:
    for name in ("no-such-file.py", "."):
        outcome = treadle("sandbox", "run", "--json", name)
        assert outcome.code == 2
        refused(outcome, f"file_unreadable: {name} cannot be read: ")
        assert outcome.err.rstrip().endswith(f"'{name}'")


def test_what_is_refused_ran_at_no_level(treadle: Treadle, place: Path) -> None:
    (place / "code.py").write_bytes(b"x = 1\0")
    outcome = treadle("sandbox", "run", "--json", "code.py")
    assert outcome.code == 7
    read = json.loads(outcome.out)
    assert (read["status"], read["level"]) == ("refused", None)
    assert read["reason"].startswith("bad_sandbox_input: ")


@pytest.mark.parametrize(
    ("coding", "line"),
    [
        ("latin-1", "# -*- coding: latin-1 -*-"),
        ("cp1252", "#!/usr/bin/python3\n# coding=cp1252"),
        ("shift_jis", "# vim: set fileencoding=shift_jis :"),
        ("utf-8-sig", "# no such line"),
    ],
)
def test_the_coding_line_of_a_file(treadle: Treadle, place: Path, coding: str, line: str) -> None:
    need(SandboxLevel.CONFINED)
    text = "アイ" if coding == "shift_jis" else "é"
    (place / "code.py").write_bytes(f"{line}\nprint(ascii('{text}'))\n".encode(coding))
    outcome = treadle("sandbox", "run", "--json", "code.py")
    read = json.loads(outcome.out)
    assert (read["status"], read["stdout"]) == ("ok", ascii(text) + "\n"), read


@pytest.mark.parametrize("coding", ["no-such-thing", "rot13", "punycode", "unicode_escape", "hex"])
def test_codings_that_are_no_character_sets(treadle: Treadle, place: Path, coding: str) -> None:
    (place / "code.py").write_bytes(f"# coding: {coding}\n1\n".encode())
    outcome = treadle("sandbox", "run", "--json", "code.py")
    assert outcome.code == 2
    refused(outcome, "file_unreadable: ")

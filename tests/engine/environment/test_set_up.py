"""Which environments are used again, and which are made anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engine.environment.set_up import MARKER, state


def environment(folder: Path, **marker: object) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    if marker:
        (folder / MARKER).write_text(json.dumps(marker))
    return folder


def test_what_is_not_there_is_made(tmp_path: Path) -> None:
    assert state(tmp_path / "none", "abc") == "make"
    assert state(tmp_path, "abc") == "make"


def test_what_is_whole_is_used_while_the_requirements_are_the_same(tmp_path: Path) -> None:
    folder = environment(tmp_path / "e", complete=True, fingerprint="abc")
    assert state(folder, "abc") == "use"
    assert state(folder, "def") == "make"


def test_what_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    assert state(environment(tmp_path / "e", complete=False), "abc") == "make"
    (tmp_path / "e" / MARKER).write_text('{"compl')
    assert state(tmp_path / "e", "abc") == "make"


def test_what_others_made_is_used_and_never_removed(tmp_path: Path) -> None:
    assert state(environment(tmp_path / "e"), "abc") == "use"
    other = tmp_path / "other"
    other.mkdir()
    (other / "a-file").touch()
    with pytest.raises(SystemExit, match="neither empty nor an environment"):
        state(other, "abc")

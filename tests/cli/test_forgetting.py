"""`treadle run "forget ..."`: the record of the run that forgets has it no more than memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Outcome

Run = Callable[..., Outcome]
NAME = "Zebulonix"


def with_the_name(environment: dict[str, str]) -> list[str]:
    """The files of the user in which it stands."""
    folder = Path(environment["TREADLE_STATE_DIR"])
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if NAME.lower().encode() in path.read_bytes().lower()]


def test_a_run_that_forgets_leaves_nothing(treadle: Run, environment: dict[str, str]) -> None:
    kept = treadle("run", f"remember that my dog is called {NAME}", "--model", "offline", "--yes")
    assert kept.code == 0, kept.err
    assert with_the_name(environment) != []
    done = treadle("run", f"forget everything about {NAME}", "--model", "offline", "--yes")
    assert done.code == 0, done.err
    assert "no trace of it is left" in done.out
    assert with_the_name(environment) == []

"""The command line in real processes, in a workspace of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TOOLS = '''
import asyncio
from treadle import tool

@tool
async def nap(seconds: float, name: str = "") -> str:
    """Sleep."""
    await asyncio.sleep(seconds)
    return f"slept {seconds:g} {name}"

@tool(effect="pure")
async def increase(number: int) -> int:
    """One more."""
    return number + 1

@tool
def hostile() -> str:
    """Fail with a terminal escape."""
    raise ValueError("red \\x1b[31m alert [bold]x[/bold]")

@tool
def odd() -> str:
    """Text that is not quite text."""
    return "half \\ud800 pair"

@tool(effect="irreversible")
def send(to: str) -> str:
    """Send a letter."""
    with open("sent.txt", "a") as file:
        file.write(to + "\\n")
    return "sent to " + to

@tool
async def cling() -> str:
    """Do not let go for a while."""
    for _ in range(100):
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            print("clinging", flush=True)
    return "at last"

TOOLS = [nap, increase, hostile, odd, send, cling]
NOT_TOOLS = [1, 2]
'''

_HERE = Path(__file__).parent
_SECONDS = 180
"""For one test: processes that start, several in a row, take long on a busy machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_SECONDS))


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "mytools.py").write_text(TOOLS, "utf-8")
    (folder / "a.txt").write_text("one\ntwo\nthree\n", "utf-8")
    (folder / "b.txt").write_text("one\n", "utf-8")
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TREADLE_", "OPENAI_", "OLLAMA_"))
    }
    return {
        **kept,
        "TREADLE_STATE_DIR": str(tmp_path / "state"),
        "TREADLE_CONFIG_DIR": str(tmp_path / "config"),
    }


@pytest.fixture
def treadle(place: Path, environment: dict[str, str]) -> Callable[..., Outcome]:
    def run(*arguments: str, stdin: str | bytes = "", **extra: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "treadle", *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=place,
            env={**environment, **extra},
            timeout=120,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Outcome(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))

    return run


def plan_of(*steps: dict[str, Any], answer: str | None = None) -> str:
    document: dict[str, Any] = {"steps": list(steps)}
    if answer is not None:
        document["answer"] = answer
    return json.dumps(document)

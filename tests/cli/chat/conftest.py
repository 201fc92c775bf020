"""A chat at a pseudo-terminal, with tools of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.chat.terminal import Terminal

from treadle.testing import RecordedRequest

TOOLS = '''
import asyncio
from pathlib import Path

from treadle import ToolError, tool


@tool
async def nap(seconds: float) -> str:
    """Rest."""
    Path("napping").touch()
    await asyncio.sleep(seconds)
    return "rested"


@tool
async def wait_for(file: str) -> str:
    """Wait until a file is there."""
    Path("waiting").touch()
    while not Path(file).exists():
        await asyncio.sleep(0.02)
    return file


@tool(effect="irreversible")
def ring(bell: str) -> str:
    """Ring a bell."""
    with Path("rung").open("a") as file:
        file.write(bell)
    return f"{bell} rang"


@tool
def refuse() -> str:
    """Fail at great length."""
    raise ToolError("refused", "[bold]no[/bold] \\x1b[2J" + "way " * 400)


@tool(effect="pure")
def hostile() -> str:
    """Give what a terminal would obey."""
    return "before\\x1b]0;owned\\x07\\x1b[2Jafter [red]plain[/red]"


TOOLS = [nap, wait_for, ring, refuse, hostile]
'''

Reply = Callable[[RecordedRequest], str]
Open = Callable[..., Terminal]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that a chat is started in: tools, and a few files."""
    place = tmp_path / "work"
    (place / "docs").mkdir(parents=True)
    (place / "docs" / "notes.txt").write_text("one two three\n", "utf-8")
    (place / "bells.py").write_text(TOOLS, "utf-8")
    return place


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing of the person's who runs the tests."""
    return {
        "TREADLE_STATE_DIR": str(tmp_path / "state"),
        "TREADLE_CONFIG_DIR": str(tmp_path / "config"),
        "PYTHONWARNINGS": "default",
    }


@pytest.fixture
def chat(folder: Path, environment: dict[str, str]) -> Iterator[Open]:
    """Opens `treadle chat` on a pseudo-terminal; everything opened is closed at the end."""
    opened: list[Terminal] = []

    def open_chat(model: str = "offline", *options: str, **size: int) -> Terminal:
        arguments = ["chat", "--model", model, "--tools", "bells:TOOLS", *options]
        terminal = Terminal(arguments, folder=folder, environment=environment, **size)
        opened.append(terminal)
        return terminal

    yield open_chat
    for terminal in opened:
        terminal.close()


@pytest.fixture
def pipe(
    folder: Path, environment: dict[str, str]
) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs `treadle chat` over pipes with some input."""

    def run(text: str | bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "treadle", "chat", "--tools", "bells:TOOLS",
             *(options or ("--model", "offline"))],
            input=text.encode() if isinstance(text, str) else text,
            capture_output=True,
            cwd=folder,
            env={**os.environ, **environment},
            timeout=120,
        )  # fmt: skip

    return run


def plan(tool: str, answer: str = "${a}", **arguments: object) -> str:
    """A plan of one step, as a model writes it."""
    return json.dumps({"steps": [{"id": "a", "tool": tool, "args": arguments}], "answer": answer})


def replies(
    plan: str, decision: str = '{"action": "fail", "reason": "it cannot be done"}'
) -> Reply:
    """Answers what a planner asks with `plan` and what a joiner asks with `decision`."""

    def reply(request: RecordedRequest) -> str:
        schema = str(request.body.get("response_format"))
        return decision if "'name': 'decision'" in schema else plan

    return reply

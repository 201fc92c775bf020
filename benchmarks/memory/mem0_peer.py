"""mem0 beside us: its process, and the environment that this runs in."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.memory.stopwatch import Stopwatch
from benchmarks.memory.table import NotAvailable
from benchmarks.memory.workload import Load

from treadle.memory.locomo import Conversation

REQUIREMENT = "mem0ai==2.2.1"
"""Does not go together with the requirements of `dev` (protobuf): hence its own environment."""

FOLDER = "TREADLE_BENCH_MEM0_ENV"
"""The environment variable that says where that environment lies."""

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 1_800


def ranked(vectors: Path, talks: Sequence[Conversation], folder: Path) -> list[list[str]]:
    """What is found for each question; every conversation is a user of its own."""
    listed = [
        (
            talk.name,
            [(turn.id, f"{turn.speaker}: {turn.content}") for turn in talk.turns],
            [question.text for question in talk.questions],
        )
        for talk in talks
    ]
    found: list[list[str]] = _ask(folder, what="ranked", vectors=str(vectors), talks=listed)
    return found


def write_times(texts: Sequence[str], folder: Path) -> Stopwatch:
    """What each `add` takes, with a vector that is there already."""
    return Stopwatch(*_ask(folder, what="writes", texts=list(texts)))


def search_times(load: Load, folder: Path) -> tuple[Stopwatch, float]:
    """What each search among `load.items` takes, and seconds for filling the store."""
    wall, cpu, filled = _ask(
        folder, what="searches", items=load.items, asked=load.asked, seed=load.seed
    )
    return Stopwatch(wall, cpu), filled


def _ask(folder: Path, **job: object) -> Any:
    """Raises NotAvailable with the last line that mem0 wrote, where it failed."""
    done = subprocess.run(
        [_python(), "-m", "benchmarks.memory.mem0_worker"],
        input=json.dumps({"folder": str(folder), **job}),
        capture_output=True,
        text=True,
        cwd=_ROOT,
        timeout=_SECONDS,
    )
    if done.returncode != 0:
        raise NotAvailable(f"mem0 failed: {done.stderr.strip().splitlines()[-1][:200]}")
    return json.loads(done.stdout.splitlines()[-1])


def _python() -> Path:
    """The Python with mem0; its environment is made where it is not there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    named = f"bench-{REQUIREMENT.replace('==', '-')}"
    folder = Path(os.environ.get(FOLDER) or cache / "treadle" / named)
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _has_mem0(python):
            print(f"setting up {REQUIREMENT} in {folder}, once", file=sys.stderr, flush=True)
            _run([sys.executable, "-m", "venv", str(folder)])
            pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            _run([*pip, REQUIREMENT])
    return python


def _has_mem0(python: Path) -> bool:
    if not python.exists():
        return False
    ask = "from importlib.metadata import version; print(version('mem0ai'))"
    found = subprocess.run([python, "-c", ask], capture_output=True, text=True, timeout=60)
    return found.stdout.strip() == REQUIREMENT.partition("==")[2]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=sys.stderr, timeout=_SECONDS)
    if done.returncode != 0:
        raise NotAvailable(f"its environment could not be made: {' '.join(command[:6])}")

"""One life: a worker that is left alone, or killed at some instant."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import random
import signal
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.crash.worker import Job, work
from treadle.core.database import DatabaseUrl

SECONDS = 60.0
"""Generous: means that a worker does not hang."""

_WRITE_LOCK = 120
"""The byte of SQLite's shared memory that whoever writes has locked (sqlite.org/walformat.html)."""

# Forked from a process that has imported everything: a life costs 30 ms and not 600.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["treadle", "treadle.executor.journal", "treadle.testing", "aiosqlite", "alembic.command"]
)


@dataclass(frozen=True, slots=True)
class KillAt:
    """When a worker dies: `seconds` after it has sent `events` events, or after its start."""

    events: int
    seconds: float

    @classmethod
    def random(cls, random: random.Random, past: int) -> Self:
        """Any instant of a life, the first events of which are `past` old ones."""
        if random.random() < 0.15:
            return cls(0, random.uniform(0, 0.1))
        events = past + 1 + int(random.expovariate(1 / 12))
        return cls(events, random.choice((0.0, random.uniform(0, 0.03))))


@dataclass(slots=True)
class Life:
    """What was seen of one worker.

    rows: the events that it sent: acknowledged. ended: its result. refused: the code of an error.
    died: the exit code of one that failed. killed: whether it was. writing: whether that was within a transaction of an SQLite database.
    """

    rows: list[list[Any]] = field(default_factory=list)
    ended: dict[str, Any] | None = None
    refused: str | None = None
    died: int | None = None
    killed: bool = False
    writing: bool = False


def live(job: Job, kill: KillAt | None) -> Life:
    """Let a worker do `job`, and kill it at `kill` if it has not ended by then."""
    receiving, sending = _processes.Pipe(duplex=False)
    process = _processes.Process(target=work, args=(job, sending))
    process.start()
    sending.close()
    life = Life()
    try:
        if kill is not None and not _reached(receiving, life, kill):
            kill = None
        if kill is not None:
            assert process.pid is not None
            _kill(process.pid, job, life)
        deadline = time.monotonic() + SECONDS
        while _receive(receiving, life, deadline):
            pass
        process.join(SECONDS)
        if not (life.killed and process.exitcode == -signal.SIGKILL):
            # By itself, if only a moment before it was to be killed.
            life.killed, life.died = False, process.exitcode or None
        return life
    finally:
        process.kill()
        process.join()
        receiving.close()


def _reached(pipe: Any, life: Life, kill: KillAt) -> bool:
    """Whether the instant has come before the worker's end."""
    deadline = time.monotonic() + SECONDS
    while len(life.rows) < kill.events:
        if not _receive(pipe, life, deadline):
            return False
    deadline = time.monotonic() + kill.seconds
    while time.monotonic() < deadline:
        if pipe.poll(0) and not _receive(pipe, life, deadline + SECONDS):
            return False
    return life.ended is None and life.refused is None


def _receive(pipe: Any, life: Life, deadline: float) -> bool:
    """Take one message; False where there will be none."""
    assert pipe.poll(max(0.0, deadline - time.monotonic())), "the worker does not end"
    try:
        kind, value = json.loads(pipe.recv_bytes())
    except (EOFError, OSError):  # the latter in the middle of a message
        return False
    if kind == "event":
        life.rows.append(value)
    elif kind == "ended":
        life.ended = value
    else:
        life.refused = value
    return True


def _kill(pid: int, job: Job, life: Life) -> None:
    # Stopped first: what it was doing can be looked at, and it does no more of it.
    os.kill(pid, signal.SIGSTOP)
    path = DatabaseUrl.parse(job.url).path
    life.writing = path is not None and _is_writing(path, pid)
    os.kill(pid, signal.SIGKILL)
    life.killed = True


def _is_writing(database: Path, pid: int) -> bool:
    """Whether the process `pid` holds the lock of those who write."""
    try:
        file = os.open(f"{database}-shm", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        layout = "hhqqi4x"  # struct flock
        asked = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, _WRITE_LOCK, 1, 0)
        kind, _, _, _, holder = struct.unpack(layout, fcntl.fcntl(file, fcntl.F_GETLK, asked))
        return bool(kind == fcntl.F_WRLCK and holder == pid)
    finally:
        os.close(file)

"""What befalls the database itself: no room, another writer, a clock that jumps, a torn copy."""

from __future__ import annotations

import asyncio
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from treadle import Plan, Runtime, tool
from treadle.core.clock import SystemClock
from treadle.core.database import DatabaseUrl
from treadle.core.events import StepFinished, StepStarted
from treadle.core.json_value import JsonValue
from treadle.executor import approve_all
from treadle.executor.journal import Journal
from treadle.testing import ScriptedModel
from treadle.tools import Tool

ROOM = 512 * 1024
"""Bytes that a file may have while the disk is full: enough to begin, not to end."""


def chain(length: int, tool_name: str) -> Plan:
    """Steps `s0`, `s1`, ... each of which needs the one before."""
    steps: list[JsonValue] = [
        {"id": f"s{i}", "tool": tool_name, "args": {"x": i, "last": f"${{s{i - 1}}}" if i else ""}}
        for i in range(length)
    ]
    return Plan.from_wire({"steps": steps, "answer": f"${{s{length - 1}.x}}"})


def open_runtime(folder: Path, tools: list[Tool], **options: Any) -> Runtime:
    return Runtime(
        model=ScriptedModel([]),
        tools=tools,
        builtins=False,
        database=f"sqlite:///{folder}/runs.db",
        artifacts=folder / "artifacts",
        approve=approve_all,
        new_id=lambda: "run-1",
        **options,
    )


def writer(effects: list[int], then: Callable[[int], None] = lambda x: None) -> Tool:
    @tool(effect="write")
    async def write(x: int, last: Any) -> dict[str, Any]:
        """Make an effect, with an output that takes room."""
        effects.append(x)
        then(x)
        return {"x": x, "filler": "z" * 20_000}

    return write


# ---- no room -----------------------------------------------------------------------------------


@pytest.fixture(params=["volume", "limit"])
def no_room(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder in which files have ROOM together, or each, and what makes more."""
    folder = tmp_path / "small"
    folder.mkdir()
    if request.param == "volume":
        yield from _small_volume(folder)
    else:
        yield from _small_files(folder)


def _small_volume(folder: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    def mount(options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True).returncode == 0

    if shutil.which("mount") is None or not mount(f"size={ROOM}"):
        pytest.skip("a volume of its own can be mounted by the superuser only")
    try:
        yield folder, lambda: _agree(mount(f"remount,size={ROOM * 64}"))
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _small_files(folder: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    # A write says that it did not fit; otherwise it would be a signal that ends us.
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    try:
        yield folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def _agree(done: bool) -> None:
    assert done


async def test_a_full_disk_ends_the_run_and_nothing_runs_after_it(
    no_room: tuple[Path, Callable[[], None]], request: pytest.FixtureRequest
) -> None:
    folder, make_room = no_room
    effects: list[int] = []
    async with open_runtime(folder, [writer(effects)]) as runtime:
        result = await runtime.run(chain(60, "write"))
        assert result.status == "failed"
        assert result.error is not None
        # A file that may not grow is an error of the disk to SQLite, not a full one.
        full = {"database_full", "database_failed", "database_unavailable"}
        limited = "limit" in request.node.name
        assert result.error.code in (full if limited else {"database_full"})
        before = list(effects)
        assert 0 < len(before) < 60
    assert effects == before

    make_room()
    async with open_runtime(folder, [writer(effects)]) as runtime:
        result = await runtime.resume("run-1")
        if result.status == "waiting":
            # The effect happened and its result had no room: a person looks, and says so.
            (doubt,) = [
                step.id
                for step in result.steps
                if step.error is not None and step.error.code == "in_doubt"
            ]
            assert doubt == f"s{before[-1]}"
            result = await runtime.resume("run-1", done=[doubt])
    assert result.status == "succeeded", result.error
    assert effects == list(range(60))


# ---- another writer ----------------------------------------------------------------------------


async def test_a_run_waits_for_another_writer(tmp_path: Path) -> None:
    effects: list[int] = []
    locked, released = threading.Event(), threading.Event()
    ticks = 0

    def lock() -> None:
        other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
        other.execute("begin immediate")
        locked.set()
        released.wait(15)
        other.execute("commit")
        other.close()

    thread = threading.Thread(target=lock)

    def then(x: int) -> None:
        if x == 2:
            thread.start()
            locked.wait(15)
            asyncio.get_running_loop().call_later(2.0, released.set)

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += not released.is_set() and locked.is_set()

    async with open_runtime(tmp_path, [writer(effects, then)]) as runtime:
        ticking = asyncio.ensure_future(tick())
        result = await runtime.run(chain(6, "write"))
        ticking.cancel()
    thread.join()
    assert result.status == "succeeded"
    assert effects == list(range(6))
    # The loop went on meanwhile: it is a thread that waits.
    assert ticks > 10
    # Nothing was done on the strength of an intent that was not kept.
    assert released.is_set()


# ---- a clock that jumps ------------------------------------------------------------------------


class JumpingClock(SystemClock):
    """Goes back an hour at the tenth reading."""

    def __init__(self) -> None:
        self._readings = 0

    def now(self) -> float:
        self._readings += 1
        return super().now() - (3600 if self._readings >= 10 else 0)


async def test_a_clock_that_goes_back_changes_nothing_but_times(tmp_path: Path) -> None:
    effects: list[int] = []
    holding = True

    @tool(effect="read")
    async def stop(x: int, last: Any) -> dict[str, Any]:
        if x == 4 and holding:
            await asyncio.Event().wait()
        effects.append(x)
        return {"x": x}

    async with open_runtime(tmp_path, [stop], clock=JumpingClock()) as runtime:
        async with runtime.stream(chain(6, "stop")) as run:
            async for event in run:
                if isinstance(event, StepStarted) and event.step_id == "s4":
                    run.cancel()
        times = [event.at for event in run.events]
        assert min(times) < max(times) - 3000
        holding = False
        result = await runtime.resume("run-1")
    assert result.status == "succeeded"
    assert effects == list(range(6))
    async with open_runtime(tmp_path, [stop]) as runtime:
        journal = runtime.journal
        assert journal is not None
        events = await journal.events("run-1")
        (row,) = await journal.runs()
    assert [event.seq for event in events] == list(range(len(events)))
    assert row.status == "succeeded"


# ---- a torn copy -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
async def test_a_torn_copy_is_a_prefix_and_can_be_resumed(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    effects: list[int] = []
    copy = tmp_path / "copy"
    copy.mkdir()
    copied_at = dice.randrange(3, 12)

    def then(x: int) -> None:
        if x == copied_at:
            for name in ("runs.db", "runs.db-wal"):
                shutil.copy(tmp_path / name, copy / name)

    async with open_runtime(tmp_path, [writer(effects, then)]) as runtime:
        result = await runtime.run(chain(12, "write"))
    assert result.status == "succeeded"

    wal = copy / "runs.db-wal"
    with wal.open("r+b") as file:
        file.truncate(dice.randrange(wal.stat().st_size + 1))
    journal = Journal(DatabaseUrl.parse(f"sqlite:///{copy}/runs.db"))
    runs = await journal.runs()
    events = await journal.events("run-1") if runs else []
    await journal.close()
    # Events have no equality of their own for payloads; their texts have.
    assert repr(events) == repr(list(result.events[: len(events)]))
    if not any(isinstance(event, StepFinished) for event in events):
        return

    again: list[int] = []
    ended = {event.step_id for event in events if isinstance(event, StepFinished)}
    begun = {event.step_id for event in events if isinstance(event, StepStarted)} - ended
    async with open_runtime(copy, [writer(again)]) as runtime:
        resumed = await runtime.resume("run-1", redo=sorted(begun))
    assert resumed.status == "succeeded", resumed.error
    assert again == list(range(len(ended), 12))
    assert resumed.answer == 11

"""What a call builds on is kept before it starts, and an intent before its effect, on SQLite."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.crashing import SECONDS, allow, die, elsewhere, happened
from tests.executor.conftest import plan_of, step

from treadle import Runtime
from treadle.core.errors import TreadleError
from treadle.core.events import Event, StepFinished, StepStarted
from treadle.executor import RunResult
from treadle.testing import ScriptedModel
from treadle.tools import Tool, tool


def tools(folder: Path) -> list[Tool]:
    """Instant tools: none of them waits, so that many are called in one task."""

    def acted(name: str, x: Any) -> None:
        with (folder / name).open("a") as file:
            file.write(f"{x}\n")

    @tool(effect="read")
    async def look(x: Any) -> Any:
        """Read something."""
        acted("look", x)
        return x

    @tool(effect="read")
    async def crash(x: Any) -> None:
        """Be the end of the process, the first time."""
        if not happened(folder, "crash"):
            acted("crash", x)
            die()

    @tool(effect="write")
    async def write(x: Any) -> str:
        """Write something."""
        acted("write", x)
        return f"wrote {x}"

    @tool(effect="write")
    async def write_and_crash(x: Any) -> None:
        """Write something, which is the end of the process."""
        acted("write", x)
        die()

    return [look, crash, write, write_and_crash]


def open_runtime(folder: Path, **options: Any) -> Runtime:
    return Runtime(
        model=ScriptedModel([]),
        tools=options.pop("tools", None) or tools(folder),
        builtins=False,
        database=f"sqlite:///{folder}/runs.db",
        artifacts=folder / "artifacts",
        approve=allow,
        new_id=lambda: "run-1",
        **options,
    )


def chain(count: int, name: str = "look", first: int = 0) -> list[dict[str, Any]]:
    return [
        step(f"s{n}", name, *([f"s{n - 1}"] if n else ()), x=n) for n in range(first, first + count)
    ]


async def live(folder: Path, steps: list[dict[str, Any]], options: dict[str, Any]) -> RunResult:
    async with open_runtime(folder, **options) as runtime:
        return await runtime.run(plan_of(*steps))


def life(folder: Path, steps: list[dict[str, Any]], options: dict[str, Any]) -> None:
    """The whole life of a process."""
    asyncio.run(live(folder, steps, options))


async def killed(folder: Path, steps: list[dict[str, Any]], **options: Any) -> list[Event]:
    """What is in the journal of a run whose process was its own end."""
    code = await asyncio.to_thread(elsewhere, life, folder, steps, options)
    assert code == -signal.SIGKILL
    async with open_runtime(folder) as runtime:
        assert runtime.journal is not None
        return await runtime.journal.events("run-1")


def ended(events: list[Event]) -> set[str]:
    return {event.step_id for event in events if isinstance(event, StepFinished)}


@pytest.mark.parametrize("max_parallel", [1, 8])
async def test_what_a_call_builds_on_is_kept_before_it_starts(
    tmp_path: Path, max_parallel: int
) -> None:
    steps = [*chain(10), step("s10", "crash", "s9", x=10)]
    events = await killed(tmp_path, steps, max_parallel=max_parallel)
    assert ended(events) == {f"s{n}" for n in range(10)}
    async with open_runtime(tmp_path) as runtime:
        result = await runtime.resume("run-1")
    assert result.status == "succeeded"
    assert happened(tmp_path, "look") == [str(n) for n in range(10)], "none is run again"


@pytest.mark.parametrize("max_parallel", [1, 8])
async def test_an_intent_is_kept_before_its_effect(tmp_path: Path, max_parallel: int) -> None:
    steps = [
        *chain(3),
        step("w3", "write", "s2", x=3),
        step("w4", "write_and_crash", "w3", x=4),
        step("s5", "look", "w4", x=5),
    ]
    events = await killed(tmp_path, steps, max_parallel=max_parallel)
    began = {event.step_id for event in events if isinstance(event, StepStarted)}
    assert "w4" in began
    assert ended(events) == {"s0", "s1", "s2", "w3"}
    async with open_runtime(tmp_path) as runtime:
        result = await runtime.resume("run-1")
    assert result.status == "waiting", "whether it happened is for a person to say"
    assert happened(tmp_path, "write") == ["3", "4"]


class Lock:
    """Another process that writes to the database, as far as SQLite can tell."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(
            folder / "runs.db", isolation_level=None, check_same_thread=False
        )

    def take(self, seconds: float) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        threading.Timer(seconds, self.release).start()

    def release(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.close()


@pytest.mark.parametrize("effects", [False, True])
async def test_a_database_that_is_locked_for_a_while_loses_nothing(
    tmp_path: Path, effects: bool
) -> None:
    @tool
    async def lock(x: int) -> None:
        """Lock the database for a second."""
        Lock(tmp_path).take(1)

    kind = "write" if effects else "look"
    steps = [
        *chain(50),
        step("s50", "lock", "s49", x=50),
        *chain(50, kind, 51),
    ]
    async with open_runtime(tmp_path, tools=[*tools(tmp_path), lock]) as runtime:
        async with asyncio.timeout(SECONDS):
            result = await runtime.run(plan_of(*steps))
        assert result.status == "succeeded", result.error
        assert runtime.journal is not None
        events = await runtime.journal.events("run-1")
    assert [event.seq for event in events] == list(range(len(events)))
    assert len(ended(events)) == 101
    numbers = [str(n) for n in range(101) if n != 50]
    assert [*happened(tmp_path, "look"), *happened(tmp_path, "write")] == numbers


async def test_a_deadline_does_not_count_while_the_intent_waits_for_the_disk(
    tmp_path: Path,
) -> None:
    @tool
    async def lock(x: int) -> None:
        """Lock the database for a moment."""
        Lock(tmp_path).take(1.5)

    steps = [
        step("s0", "lock", x=0),
        step("w", "write", "s0", x=1, timeout=0.6),
        step("s1", "look", "w", x=2),
    ]
    async with open_runtime(tmp_path, tools=[*tools(tmp_path), lock]) as runtime:
        async with asyncio.timeout(SECONDS):
            result = await runtime.run(plan_of(*steps))
    assert [each.status for each in result.steps] == ["succeeded"] * 3
    assert result.status == "succeeded"


def full_disk(folder: Path, wanted: str) -> None:
    """A process that cannot let a file grow once its run has begun."""

    @tool
    async def fill() -> None:
        """From now on the disk is full."""
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        largest = (folder / "runs.db-wal").stat().st_size
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))

    async def main() -> RunResult:
        async with open_runtime(folder, tools=[*tools(folder), fill]) as runtime:
            steps = [step("f", "fill"), *chain(1), *chain(3000, wanted, 1)]
            steps[1]["after"] = ["f"]
            return await runtime.run(plan_of(*steps))

    try:
        report = str(asyncio.run(main()).error)
    except TreadleError as error:
        report = error.code
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (folder / "report").write_text(report)


@pytest.mark.parametrize("wanted", ["look", "write"])
async def test_a_full_disk_ends_the_run_with_a_code_and_without_effects(
    tmp_path: Path, wanted: str
) -> None:
    code = await asyncio.to_thread(elsewhere, full_disk, tmp_path, wanted)
    report = (tmp_path / "report").read_text()
    assert (code, "database_" in report) == (0, True), report
    async with open_runtime(tmp_path) as runtime:
        assert runtime.journal is not None
        events = await runtime.journal.events("run-1")
    intents = {event.step_id for event in events if isinstance(event, StepStarted)}
    # Each effect that happened has its intent on the disk; the run did not go on without.
    assert {f"s{x}" for x in happened(tmp_path, "write")} <= intents
    assert len(happened(tmp_path, wanted)) < 3000

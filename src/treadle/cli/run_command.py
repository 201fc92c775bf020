"""`treadle run` and `treadle exec`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from treadle.cli.answer import print_outcome
from treadle.cli.approval import ask_at_terminal
from treadle.cli.follow import INTERRUPTED, follow
from treadle.cli.options import CommonOptions, make_runtime
from treadle.cli.output import can_redraw, print_json
from treadle.cli.plain import PlainRun
from treadle.core.errors import InputError
from treadle.core.json_value import JsonValue

if TYPE_CHECKING:
    from treadle.agents.runs.run_stream import RunStream
    from treadle.agents.runtime import Runtime
    from treadle.executor.result import RunResult
    from treadle.planner.plan import Plan

MAX_PLAN_BYTES = 64 * 1024 * 1024
MAX_TASK_BYTES = 8 * 1024 * 1024
"""Bytes that are read from stdin; the planner has its own, smaller limit."""

EXIT_CODES = {"succeeded": 0, "failed": 1, "waiting": 3, "paused": 3, "cancelled": INTERRUPTED}
BAD_INPUT = frozenset({"empty_task", "task_too_long"})


async def run_task(task: str, options: CommonOptions) -> int:
    """Run a task; return the exit code."""
    result = await _run(partial(_open, task), options)
    if result.error is not None and result.error.code in BAD_INPUT:
        return 2
    return EXIT_CODES[result.status or "failed"]


async def run_plan(plan: Plan, options: CommonOptions) -> int:
    """Run a plan file's plan; return the exit code.

    Raises PlanError when the plan does not fit the tools; nothing has run then.
    """
    result = await _run(partial(_open, plan), options)
    return EXIT_CODES[result.status or "failed"]


async def resume_run(run_id: str, options: CommonOptions, settled: Settled) -> int:
    """Go on with a recorded run; return the exit code."""
    result = await _run(partial(_reopen, run_id, settled), options)
    return EXIT_CODES[result.status or "failed"]


async def fork_run(
    run_id: str,
    step_id: str,
    arguments: dict[str, JsonValue] | None,
    options: CommonOptions,
) -> int:
    """Go another way than a recorded run; return the exit code."""
    result = await _run(partial(_fork, run_id, step_id, arguments), options)
    return EXIT_CODES[result.status or "failed"]


@dataclass(frozen=True, slots=True)
class Settled:
    """What a person has decided about steps in doubt, and about changed tools."""

    done: tuple[str, ...] = ()
    redo: tuple[str, ...] = ()
    accept_changes: bool = False


Opening: TypeAlias = "Callable[[Runtime], Awaitable[RunStream]]"


_LEARNING = 1.0
"""Seconds that a plan waits to hear which tools past ones used, where there are many tools."""


async def _open(work: str | Plan, runtime: Runtime) -> RunStream:
    from treadle.planner.shown_tools import MOST_SHOWN

    _check(work, runtime.tools)
    if runtime.journal is not None:
        # What is wrong with the database is said before anything is shown of the run.
        await runtime.journal.database.open()
        if isinstance(work, str) and len(runtime.tools) > MOST_SHOWN:
            # This process has no other run in which what past ones teach could be of use.
            with suppress(TimeoutError):
                await asyncio.wait_for(runtime.learned(), _LEARNING)
    return runtime.stream(work)


async def _reopen(run_id: str, settled: Settled, runtime: Runtime) -> RunStream:
    return await runtime.reopen(
        run_id, done=settled.done, redo=settled.redo, accept_changes=settled.accept_changes
    )


async def _fork(
    run_id: str, step_id: str, arguments: dict[str, JsonValue] | None, runtime: Runtime
) -> RunStream:
    return await runtime.open_fork(run_id, step_id, arguments=arguments)


async def _run(opening: Opening, options: CommonOptions) -> RunResult:
    if options.json or not can_redraw():
        result = await _follow_plainly(opening, options)
    else:
        result = await _follow_live(opening, options)
    if options.json:
        print_json(result.as_json())
    else:
        print_outcome(result)
    return result


async def _follow_plainly(opening: Opening, options: CommonOptions) -> RunResult:
    approve = ask_at_terminal() if options.interactive else None
    async with make_runtime(options, approve=approve) as runtime:
        return await follow(await opening(runtime), PlainRun())


async def _follow_live(opening: Opening, options: CommonOptions) -> RunResult:
    from rich.console import Console

    from treadle.cli.live import LiveRun

    live = LiveRun(Console(stderr=True))
    approve = ask_at_terminal(live.pause, live.resume) if options.interactive else None
    async with make_runtime(options, approve=approve) as runtime:
        stream = await opening(runtime)
        with live:
            return await follow(stream, live)


def _check(work: str | Plan, tools: object) -> None:
    """A plan that cannot run is refused before anything has."""
    if isinstance(work, str):
        return
    from treadle.planner.check import check_plan
    from treadle.tools.registry import ToolRegistry

    assert isinstance(tools, ToolRegistry)
    check_plan(work, tools)


def read_task(argument: str) -> str:
    """The task; `-` reads stdin. Raises InputError (`bad_encoding`, `task_too_long`)."""
    if argument == "-":
        data = _read(sys.stdin.buffer, MAX_TASK_BYTES, "task_too_long", "the task")
    else:
        data = argument.encode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("bad_encoding", f"the task is not UTF-8 (byte {error.start})") from None


def read_plan(argument: str) -> Plan:
    """The plan in a file; `-` reads stdin.

    Raises InputError (`file_not_found`, `is_a_directory`, `file_unreadable`, `file_too_large`)
    and PlanError.
    """
    from treadle.planner.plan import Plan

    return Plan.from_json(read_file(argument))


def read_file(argument: str) -> bytes:
    """What a file holds; `-` reads stdin. Raises InputError as `read_plan` does."""
    if argument == "-":
        return _read(sys.stdin.buffer, MAX_PLAN_BYTES, "file_too_large", "stdin")
    path = Path(argument)
    try:
        if path.is_dir():
            raise InputError("is_a_directory", f"{path} is a folder; name a file")
        with path.open("rb") as file:
            return _read(file, MAX_PLAN_BYTES, "file_too_large", str(path))
    except FileNotFoundError:
        raise InputError("file_not_found", f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("file_unreadable", f"{path}: {reason}") from None


def _read(source: BinaryIO, most: int, code: str, name: str) -> bytes:
    """All of `source`. Raises InputError (`code`) above `most` bytes: a device has no end."""
    data = source.read(most + 1)
    if len(data) > most:
        raise InputError(code, f"{name} has more than {most:,} bytes")
    return data

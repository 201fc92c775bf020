"""Runs in another process that dies where a test says, and the tools that they call."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from treadle import Plan, Runtime, tool
from treadle.core.errors import ToolError
from treadle.core.events import Event
from treadle.executor.approval import ApprovalRequest
from treadle.testing import ScriptedModel
from treadle.tools import Tool

SECONDS = 60
"""Generous: means that it does not hang."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["treadle", "treadle.executor.journal", "treadle.testing", "aiosqlite", "alembic.command"]
)

DieAt = tuple[str, str | None, int | None]
"""The name of an event class, the step that it is about, and the item."""


def happened(folder: Path, name: str) -> list[str]:
    """What the world saw of the tool `name`, in order."""
    file = folder / name
    return file.read_text().split() if file.exists() else []


def die() -> None:
    """End this process as a crash does."""
    os.kill(os.getpid(), signal.SIGKILL)


def tools(folder: Path) -> list[Tool]:
    """Tools whose calls leave a trace in `folder`; files in it tell them how to behave.

    `hold-X`: the call with x = X does not end. `die-X`: it takes effect, then the process dies.
    `die-early-X`: the process dies before the effect. Of a call that is safe to repeat nothing
    need be on the disk when it dies so: hold it, and die at an event.
    """

    async def acted(name: str, x: object) -> None:
        await asyncio.sleep(0)  # as calls do that are worth a process of their own
        if (folder / f"die-early-{x}").exists():
            die()
        with (folder / name).open("a") as file:
            file.write(f"{x}\n")
            file.flush()
            os.fsync(file.fileno())
        if (folder / f"die-{x}").exists():
            die()
        if (folder / f"hold-{x}").exists():
            await asyncio.Event().wait()

    @tool(effect="read")
    async def look(x: Any) -> Any:
        """Read something."""
        await acted("look", x)
        return x

    @tool(effect="write")
    async def write(x: Any) -> str:
        """Write something."""
        await acted("write", x)
        return f"wrote {x}"

    @tool(effect="write", idempotent=True)
    async def put(x: Any, idempotency_key: str) -> str:
        """Write something once for each key."""
        await acted("put", idempotency_key)
        await acted("put-x", x)
        return f"put {x}"

    async def found(x: Any) -> str | None:
        if (folder / "reconcile-fails").exists():
            raise ToolError("offline", "cannot look")
        return f"found {x}" if str(x) in happened(folder, "checked") else None

    @tool(effect="write", reconcile=found)
    async def checked(x: Any) -> str:
        """Write something that can be looked for."""
        await acted("checked", x)
        return f"checked {x}"

    @tool(effect="read")
    async def fail(x: Any) -> str:
        """Fail while there is a file that says so."""
        await acted("fail", x)
        if (folder / f"fail-{x}").exists():
            raise ToolError("broken", "it broke")
        return f"did not fail {x}"

    @tool(effect="read")
    async def big(x: int) -> str:
        """A large output."""
        await acted("big", x)
        return "z" * x

    @tool(effect="read")
    async def size(x: str) -> int:
        """The length of a text."""
        return len(x)

    return [look, write, put, checked, fail, big, size]


async def allow(request: ApprovalRequest) -> bool:
    """Agree to everything."""
    return True


def open_runtime(url: str, folder: Path, **options: Any) -> Runtime:
    """A Runtime over `tools` whose runs are journaled at `url`; artifacts are kept in `folder`."""
    options.setdefault("model", ScriptedModel([]))
    options.setdefault("tools", tools(folder))
    options.setdefault("artifacts", folder / "artifacts")
    return Runtime(builtins=False, database=url, new_id=lambda: "run-1", **options)


def is_at(event: Event, die_at: DieAt) -> bool:
    """Whether `event` is the one that `die_at` means."""
    name, step_id, index = die_at
    return (
        type(event).__name__ == name
        and (step_id is None or getattr(event, "step_id", None) == step_id)
        and (index is None or getattr(event, "index", None) == index)
    )


def crash(
    url: str,
    folder: Path,
    plan: dict[str, Any] | None,
    at: DieAt | None = None,
    *,
    approve: Callable[..., Any] | None = allow,
) -> None:
    """Run `plan` (or resume run-1) in a process that dies when the event `at` is on the disk."""
    process = _processes.Process(target=_child, args=(url, folder, plan, at, approve))
    process.start()
    process.join(SECONDS)
    alive = process.is_alive()
    if alive:
        process.kill()
        process.join()
    assert not alive, "it neither ended nor died"
    assert process.exitcode == -signal.SIGKILL, process.exitcode


def elsewhere(target: Callable[..., Any], *args: Any) -> int | None:
    """Call `target` in a process of its own, which must end; its exit code."""
    process = _processes.Process(target=target, args=args)
    process.start()
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        raise AssertionError("it does not end")
    return process.exitcode


def start(target: Callable[..., Any], *args: Any) -> Any:
    """Begin `target` in a process of its own."""
    process = _processes.Process(target=target, args=args)
    process.start()
    return process


def pipe() -> Any:
    """Two ends of a connection between processes."""
    return _processes.Pipe()


def _child(
    url: str,
    folder: Path,
    plan: dict[str, Any] | None,
    at: DieAt | None,
    approve: Callable[..., Any] | None,
) -> None:
    asyncio.run(_live(url, folder, plan, at, approve))


async def _live(
    url: str,
    folder: Path,
    plan: dict[str, Any] | None,
    at: DieAt | None,
    approve: Callable[..., Any] | None,
) -> None:
    async with open_runtime(url, folder, approve=approve) as runtime:
        seen = 0
        if plan is None:
            assert runtime.journal is not None
            seen = len(await runtime.journal.events("run-1"))
            stream = await runtime.reopen("run-1")
        else:
            stream = runtime.stream(Plan.from_wire(plan))
        async with stream as run:
            async for event in run:
                if event.seq >= seen and at is not None and is_at(event, at):
                    die()

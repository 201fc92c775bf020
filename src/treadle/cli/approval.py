"""Asking the person at the terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

from treadle.cli.approval_reply import decided
from treadle.cli.interrupts import forget_typed
from treadle.cli.output import print_note
from treadle.core.threads import run_in_thread
from treadle.executor.approval import ApprovalRequest, Approve, Reply


def ask_at_terminal(
    before: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None
) -> Approve:
    """An approver that lists every call and reads what is said of them; see `parse_reply`.

    Where the input ends there is no answer: the calls wait.

    before, after: called around the question, to leave the screen to it.
    """
    free: asyncio.Lock | None = None

    async def approve(request: ApprovalRequest) -> Reply:
        nonlocal free
        # One question at a time: the calls of agents, and nested runs, ask for themselves.
        free = free or asyncio.Lock()
        async with free:
            before()
            try:
                # What was typed before the question appeared does not answer it.
                forget_typed()
                question = "Run them?" if len(request.calls) > 1 else "Run it?"
                return await decided(request.calls, question, read_line, print_note) or {}
            except asyncio.CancelledError:
                print_note("")
                raise
            finally:
                after()

    return approve


async def read_line(prompt: str) -> str | None:
    """A line of the terminal; None at its end."""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    if sys.platform == "win32":
        # A thread, so that Ctrl-C and deadlines still work; an abandoned one does no harm.
        line = await run_in_thread(sys.stdin.readline)
        return line.rstrip("\r\n") if line else None
    data = await _read_terminal(sys.stdin.fileno())
    return data.decode("utf-8", "replace").rstrip("\r\n") if data else None


async def _read_terminal(descriptor: int) -> bytes:
    """What is there to read, which a terminal gives line by line; nothing is left reading behind
    when the question is withdrawn."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def there() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, there)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""  # the terminal is gone

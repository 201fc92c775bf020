"""Signals and keys while something goes on: Ctrl-C stops that, and not the session."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from treadle.core.errors import RunError

ResultT = TypeVar("ResultT")
ENDED = 128 + signal.SIGTERM


class Stopped(RunError):
    """A person has stopped it."""

    def __init__(self) -> None:
        super().__init__("cancelled", "stopped before it was done")


@contextmanager
def on_signal(number: int, act: Callable[[int], None]) -> Iterator[None]:
    """Within the block each signal `number` calls `act` in the event loop, with 1, 2, 3, ...

    Outside of the main thread, where Python delivers no signals, it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    times = 0

    def count() -> None:
        nonlocal times
        times += 1
        act(times)

    def handle(_: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(count)

    # Not loop.add_signal_handler: it has no way back to the handler that was there before, and
    # blocks may be nested here.
    previous = signal.signal(number, handle)
    try:
        yield
    finally:
        signal.signal(number, previous)


async def until_ended(session: Coroutine[Any, Any, int]) -> int:
    """Run a session; SIGTERM ends it in order, the terminal as it was, with the code ENDED.

    Ctrl-C is left to whatever goes on within; where nothing does, it does nothing.
    """
    with on_signal(signal.SIGINT, lambda times: None):
        try:
            return await stoppable(session, signal.SIGTERM)
        except Stopped:
            return ENDED


async def stoppable(work: Coroutine[Any, Any, ResultT], number: int = signal.SIGINT) -> ResultT:
    """What `work` returns. Raises Stopped where the signal `number`, Ctrl-C's, has stopped it."""
    task = asyncio.current_task()
    assert task is not None
    stopped = False

    def stop(times: int) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            task.cancel()

    with on_signal(number, stop):
        try:
            return await work
        except asyncio.CancelledError:
            if not stopped:
                raise
            task.uncancel()
            raise Stopped from None


@contextmanager
def silent_keys() -> Iterator[None]:
    """Within the block, keys are not echoed: they would be written into the live view."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    silent = termios.tcgetattr(terminal)
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, silent)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)


def forget_typed() -> None:
    """Drop what was typed and not read yet, so that it answers no question asked later."""
    if sys.platform != "win32" and sys.stdin.isatty():
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)

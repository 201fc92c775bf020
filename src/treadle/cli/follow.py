"""Following a run on the screen, and stopping it by Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from treadle.cli.interrupts import stoppable
from treadle.cli.output import print_note
from treadle.core.errors import RunError

if TYPE_CHECKING:
    from treadle.agents.runs.run_stream import RunStream
    from treadle.cli.run_view import RunView
    from treadle.core.events import Event
    from treadle.executor.result import RunResult

INTERRUPTED = 130
ResultT = TypeVar("ResultT")


class Screen(Protocol):
    """What shows a run: live or plain. view: what it has seen of it."""

    view: RunView

    def take(self, event: Event) -> None:
        """Show what `event` changes."""
        ...

    def stopping(self) -> None:
        """Ctrl-C was pressed; the run ends soon."""
        ...

    def abandon(self) -> None:
        """The process ends at once; leave the terminal usable."""
        ...


async def until_stopped(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """What `work` returns. Raises Stopped where Ctrl-C (or SIGTERM) has stopped it.

    Python's own KeyboardInterrupt may come up inside of any library, which may take it for a
    failure of its own; this ends the work at its next wait instead.
    """
    return await stoppable(stoppable(work, signal.SIGINT), signal.SIGTERM)


async def follow(run: RunStream, screen: Screen) -> RunResult:
    """Show every event of `run` until its end.

    Ctrl-C (and SIGTERM) cancel it; another one ends the process at once.
    """
    with _stopping(run, screen):
        async with run:
            seen = 0
            async for event in run:
                # What earlier processes did is part of the picture, and no news.
                show = screen.view.take if seen < run.earlier else screen.take
                show(event)
                seen += 1
        return run.result


@contextmanager
def _stopping(run: RunStream, screen: Screen) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    pressed = 0

    def stop() -> None:
        nonlocal pressed
        pressed += 1
        if pressed == 1:
            screen.stopping()
            run.cancel()
        else:
            screen.abandon()
            print_note("")
            os._exit(INTERRUPTED)

    installed: list[signal.Signals] = []
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
            installed.append(number)
        yield
    except NotImplementedError as error:
        raise RunError("no_signals", "this platform's event loop takes no signals") from error
    finally:
        for number in installed:
            loop.remove_signal_handler(number)

"""Synchronous functions called from async code without blocking or outliving it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

ResultT = TypeVar("ResultT")
_Settle: TypeAlias = Callable[[Any, BaseException | None], None]
_Call: TypeAlias = tuple[asyncio.AbstractEventLoop, Context, Callable[[], object], _Settle]


class CallThreads:
    """Daemon threads that are used again, for any number of event loops.

    idle_seconds: how long a thread waits for its next call before it ends.
    most_idle: how many may wait. There is no limit on those at work: callers limit their calls.
    """

    def __init__(self, idle_seconds: float = 10.0, most_idle: int = 64) -> None:
        self.idle_seconds = idle_seconds
        self.most_idle = most_idle
        # Last in, first out, so that those at the bottom grow old and end. Single operations on a
        # list are atomic, which is all the locking that this needs.
        self.idle: list[_Worker] = []

    def call(self, call: _Call) -> None:
        """Hand `call` to an idle thread, or to a new one where none is idle."""
        try:
            worker = self.idle.pop()
        except IndexError:
            worker = _Worker(self)
            worker.start()
        worker.calls.put(call)


class _Worker(threading.Thread):
    def __init__(self, owner: CallThreads) -> None:
        super().__init__(name="treadle-call", daemon=True)
        self.calls: SimpleQueue[_Call] = SimpleQueue()
        self._owner = owner

    def run(self) -> None:
        owner, keep = self._owner, True
        while keep and (call := self._next_call()) is not None:
            loop, context, function, settle = call
            result, error = _outcome(context, function)
            # Idle before the caller knows, so that its next call finds this thread.
            keep = len(owner.idle) < owner.most_idle
            if keep:
                owner.idle.append(self)
            # A closed loop raises: whoever waited is gone, and so is the use of the result.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, result, error)
            # Nothing of the call may live on while the thread is idle.
            del call, loop, context, function, settle, result, error

    def _next_call(self) -> _Call | None:
        try:
            return self.calls.get(timeout=self._owner.idle_seconds)
        except Empty:
            try:
                self._owner.idle.remove(self)
            except ValueError:
                # Taken in this very moment: the call is on its way.
                return self.calls.get()
            return None


def _outcome(context: Context, function: Callable[[], object]) -> tuple[Any, BaseException | None]:
    try:
        return context.run(function), None
    except StopIteration as error:
        # A future cannot carry StopIteration; it would end the awaiting generator instead.
        return None, RuntimeError(f"StopIteration: {error}")
    except BaseException as error:  # noqa: BLE001 - handed to the awaiting task whole
        return None, error


_threads = CallThreads()
if hasattr(os, "register_at_fork"):
    # A forked child has this list, but none of the threads in it.
    os.register_at_fork(after_in_child=lambda: _threads.idle.clear())


async def run_in_thread(
    function: Callable[[], ResultT], *, threads: CallThreads = _threads
) -> ResultT:
    """Call `function` in a thread and return what it returns or raise what it raises.

    It sees a copy of the caller's context variables. On cancellation the caller goes on at once
    and the call is abandoned: Python cannot end a thread. The threads are daemons, so that an
    abandoned call never keeps the process alive, as the standard pool's (and anyio's) would.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[ResultT] = loop.create_future()

    def settle(result: ResultT, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    threads.call((loop, copy_context(), function, settle))
    return await future

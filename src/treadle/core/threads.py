"""Synchronous functions called from async code without blocking or outliving it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

ResultT = TypeVar("ResultT")


async def run_in_thread(function: Callable[[], ResultT]) -> ResultT:
    """Call `function` in a thread of its own and return what it returns.

    On cancellation the caller goes on at once and the thread is abandoned: Python cannot end a
    thread. The thread is a daemon, so that an abandoned one never keeps the process alive; a pool
    (and anyio's worker threads) would wait for it at exit.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[ResultT] = loop.create_future()
    context = copy_context()

    def settle(result: ResultT | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: ResultT | None = None
        failure: BaseException | None = None
        try:
            result = context.run(function)
        except StopIteration as error:
            # A future cannot carry StopIteration; it would end the awaiting generator instead.
            failure = RuntimeError(f"StopIteration: {error}")
        except BaseException as error:  # noqa: BLE001 - handed to the awaiting task whole
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            # The loop is closed: whoever waited is gone, and so is the use of the result.
            return

    threading.Thread(target=work, name="treadle-call", daemon=True).start()
    return await future

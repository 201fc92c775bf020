"""A second identical call where the first takes long: the slow tail is often bad luck.

Hedged requests as in J. Dean and L. A. Barroso, The Tail at Scale, CACM 56(2), 2013.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

from treadle.core.clock import Clock
from treadle.executor.calling.tasks import CallTasks

ResultT = TypeVar("ResultT")
Started: TypeAlias = Callable[[float], Coroutine[Any, Any, ResultT]]
"""Makes the call, which has so many seconds."""


async def hedged(
    call: Started[ResultT],
    *,
    after: float,
    seconds: float,
    may_start: Callable[[], bool],
    clock: Clock,
    tasks: CallTasks,
) -> ResultT:
    """Make a call, and a second one when it has not ended `after` seconds later.

    The first success counts and the other call is cancelled; when both fail, the failure that
    came first. One that fails before there is a second one has failed: this is no retry.

    seconds: what the call may take; the second one gets what is left of it.
    may_start: asked once, when the time has come, whether there may be a second one.
    """
    begun = clock.monotonic()
    first = tasks.start(call(seconds))
    timer = tasks.start(clock.sleep(after))
    calls = [first]
    try:
        await asyncio.wait((first, timer), return_when=asyncio.FIRST_COMPLETED)
        left = seconds - (clock.monotonic() - begun)
        if first.done() or left <= 0 or not may_start():
            # A result, an error or a cancellation of its own: as it would have been without us.
            await asyncio.wait((first,))
            return first.result()
        calls.append(tasks.start(call(left)))
        return await _first_success(calls)
    finally:
        await tasks.stop((*calls, timer))


async def _first_success(calls: list[asyncio.Task[ResultT]]) -> ResultT:
    under_way = list(calls)
    failed: asyncio.Task[ResultT] | None = None
    while under_way:
        await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        for each in [each for each in under_way if each.done()]:
            under_way.remove(each)
            if not each.cancelled() and each.exception() is None:
                return each.result()
            failed = failed or each
    assert failed is not None
    return failed.result()

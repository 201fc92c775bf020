"""Calls in threads: results, context, cancellation, and the threads themselves."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from contextvars import ContextVar

import pytest

from treadle.core.threads import CallThreads, run_in_thread

variable: ContextVar[str] = ContextVar("variable", default="unset")


async def test_a_result_comes_back_from_another_thread() -> None:
    assert await run_in_thread(threading.get_ident) != threading.get_ident()


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()])
async def test_an_error_comes_back_whole(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await run_in_thread(fail)
    assert caught.value is error


async def test_stop_iteration_becomes_an_error_that_can_be_awaited() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await run_in_thread(lambda: next(iter(())))


async def test_the_call_sees_the_callers_context_and_does_not_change_it() -> None:
    def change() -> str:
        seen = variable.get()
        variable.set("changed inside")
        return seen

    threads = CallThreads()
    variable.set("outer")
    assert await run_in_thread(change, threads=threads) == "outer"
    assert variable.get() == "outer"
    # The same thread again: nothing of the first call is left in it.
    variable.set("second")
    assert await run_in_thread(variable.get, threads=threads) == "second"


async def test_a_thread_is_used_again() -> None:
    threads = CallThreads()
    seen = {await run_in_thread(threading.get_ident, threads=threads) for _ in range(50)}
    assert len(seen) == 1


async def test_concurrent_calls_have_threads_of_their_own() -> None:
    threads = CallThreads()
    together = threading.Barrier(20)
    async with asyncio.timeout(10):
        await asyncio.gather(
            *(run_in_thread(lambda: together.wait(10), threads=threads) for _ in range(20))
        )


async def test_cancelling_goes_on_at_once_and_abandons_the_thread() -> None:
    threads = CallThreads()
    started, release, ended = threading.Event(), threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait(10)
        ended.set()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        task = group.create_task(run_in_thread(block, threads=threads))
        await run_in_thread(started.wait, threads=threads)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert not ended.is_set()
        # Others are not kept waiting by the thread that is still busy.
        assert await run_in_thread(lambda: "free", threads=threads) == "free"
    release.set()
    assert ended.wait(10)


async def test_idle_threads_end_and_new_ones_come() -> None:
    threads = CallThreads(idle_seconds=0.01)
    worker = await run_in_thread(threading.current_thread, threads=threads)
    await run_in_thread(lambda: worker.join(10))
    assert not worker.is_alive()
    assert threads.idle == []
    assert await run_in_thread(lambda: "again", threads=threads) == "again"


async def test_a_thread_that_is_about_to_end_still_takes_its_call() -> None:
    threads = CallThreads(idle_seconds=0.0)
    results = [await run_in_thread(lambda n=n: n, threads=threads) for n in range(500)]
    assert results == list(range(500))


async def test_few_stay_idle() -> None:
    threads = CallThreads(most_idle=2)
    together = threading.Barrier(8)
    await asyncio.gather(
        *(run_in_thread(lambda: together.wait(10), threads=threads) for _ in range(8))
    )
    # The length is looked at without a lock; two may come at the same moment.
    assert 1 <= len(threads.idle) < 8


async def test_an_idle_thread_holds_nothing_of_its_last_call() -> None:
    class Big:
        pass

    threads = CallThreads()
    alive: list[weakref.ref[Big]] = []

    def call() -> None:
        big = Big()
        alive.append(weakref.ref(big))
        raise ValueError(big)

    with pytest.raises(ValueError, match="Big"):
        await run_in_thread(call, threads=threads)
    deadline = time.monotonic() + 10
    while alive[0]() is not None and time.monotonic() < deadline:
        gc.collect()
        await asyncio.sleep(0)
    assert alive[0]() is None


def test_event_loops_one_after_the_other_and_at_once_share_the_threads() -> None:
    threads = CallThreads()

    async def several() -> list[int]:
        return [await run_in_thread(lambda n=n: n, threads=threads) for n in range(100)]

    results: list[list[int]] = []
    loops = [
        threading.Thread(target=lambda: results.append(asyncio.run(several()))) for _ in range(4)
    ]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join(10)
    results.append(asyncio.run(several()))
    assert results == [list(range(100))] * 5


def test_a_result_for_a_closed_loop_is_dropped() -> None:
    threads = CallThreads()
    release = threading.Event()

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await run_in_thread(lambda: release.wait(10), threads=threads)

    asyncio.run(leave())
    release.set()
    assert asyncio.run(run_in_thread(lambda: 1, threads=threads)) == 1


HANGING = """
import asyncio, threading
from treadle.core.threads import run_in_thread

async def main():
    try:
        async with asyncio.timeout(0.01):
            await run_in_thread(threading.Event().wait)
    except TimeoutError:
        print("gone on")

asyncio.run(main())
"""


def test_an_abandoned_call_does_not_keep_the_process_alive() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING], capture_output=True, text=True, check=False, timeout=15
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "gone on", "")


FORKING = """
import asyncio, os, sys
from treadle.core.threads import run_in_thread

print(asyncio.run(run_in_thread(lambda: "parent")), flush=True)
child = os.fork()
if child == 0:
    print(asyncio.run(run_in_thread(lambda: "child")), flush=True)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_starts_threads_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        capture_output=True,
        text=True,
        check=False,
        timeout=15,
    )
    assert done.stdout.split() == ["parent", "child"]
    assert done.returncode == 0

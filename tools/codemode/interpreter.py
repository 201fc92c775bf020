"""The interpreter behind code mode: processes of its own, and one session for each snippet."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from treadle.core.errors import ToolError
from treadle.tools.codemode.limits import CodeModeLimits

if TYPE_CHECKING:
    from pydantic_monty import (
        ExternalResult,
        ExternalSettledResult,
        FunctionSnapshot,
        FutureSnapshot,
        Monty,
        MontySession,
        NameLookupSnapshot,
        SyncSnapshot,
    )

ResultT = TypeVar("ResultT")

_CHECKOUT_SECONDS = 30.0
_END_SECONDS = 5.0


class Turns:
    """One session, whose blocking calls are made in a thread, one after the other.

    Not the package's own asynchronous calls: a thread of theirs that reports a result while Python
    ends aborts the whole process (seen in one of three short programs; PyO3's race at exit).
    """

    def __init__(self, session: MontySession, threads: ThreadPoolExecutor) -> None:
        self._session = session
        self._threads = threads
        self._turn: asyncio.Future[Any] | None = None
        self._process: int | None = None

    async def start(self, code: str, lookup: dict[str, object], printed: Any) -> SyncSnapshot:
        """Run `code` up to where it waits for the host."""
        return await self._in_thread(
            lambda: self._session.feed_start(code, external_lookup=lookup, print_callback=printed)
        )

    async def resume(self, snapshot: FunctionSnapshot, answer: ExternalResult) -> SyncSnapshot:
        """Go on with an answer to a call."""
        return await self._in_thread(lambda: snapshot.resume(answer))

    async def resume_awaited(
        self, snapshot: FunctionSnapshot, answer: ExternalSettledResult
    ) -> SyncSnapshot:
        """Go on with the answer to a call that the snippet is about to wait for, in one go."""
        from pydantic_monty import FutureSnapshot

        def go_on() -> SyncSnapshot:
            waiting = snapshot.resume({"future": ...})
            if isinstance(waiting, FutureSnapshot):
                return waiting.resume({snapshot.call_id: answer})
            raise RuntimeError("the interpreter does not wait for what it said it waits for")

        return await self._in_thread(go_on)

    async def resume_together(
        self, snapshot: FutureSnapshot, answers: dict[int, ExternalSettledResult]
    ) -> SyncSnapshot:
        """Go on with answers to some of the calls that the snippet waits for."""
        return await self._in_thread(lambda: snapshot.resume(answers))

    async def deny(self, snapshot: FunctionSnapshot) -> SyncSnapshot:
        """Go on without what the snippet asks of the host's system."""
        return await self._in_thread(snapshot.resume_not_handled)

    async def look_up(self, snapshot: NameLookupSnapshot) -> SyncSnapshot:
        """Go on with the value of a name."""
        return await self._in_thread(snapshot.resume_auto)

    async def open(self) -> None:
        """Take a process. Raises TimeoutError where none is free for long."""
        await self._in_thread(self._session.__enter__)
        self._process = self._session.worker_pid

    async def close(self) -> None:
        """Give the process back; one that is still at work is ended."""
        turn = self._turn
        if turn is not None and not turn.done():
            if self._process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process, signal.SIGKILL)
            await asyncio.wait([turn], timeout=_END_SECONDS)
        if turn is not None and turn.done() and not turn.cancelled():
            turn.exception()  # whoever waited for it has gone
        await self._in_thread(lambda: self._session.__exit__(None, None, None))

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        loop = asyncio.get_running_loop()
        turn = loop.run_in_executor(self._threads, work)
        self._turn = turn
        return await asyncio.shield(turn)


class Interpreter:
    """Processes of the interpreter, for one event loop; they start with the first snippet.

    stubs: what the type checker knows of the functions. workers: snippets at once.
    """

    def __init__(self, stubs: str, limits: CodeModeLimits, workers: int) -> None:
        self._stubs = stubs
        self._limits = limits
        self._workers = workers
        self._opening = asyncio.Lock()
        self._room = asyncio.Semaphore(workers)
        self._pool: Monty | None = None
        self._threads: ThreadPoolExecutor | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Turns]:
        """A session that nothing else has used. Raises ToolError (`code_mode_failed`)."""
        async with self._room:
            pool, threads = await self._opened()
            turns = Turns(self._checkout(pool), threads)
            try:
                await turns.open()
                yield turns
            finally:
                await asyncio.shield(turns.close())

    def _checkout(self, pool: Monty) -> MontySession:
        limits = self._limits
        return pool.checkout(
            limits={
                "max_feed_duration_secs": limits.compute_seconds,
                "max_memory": limits.memory_bytes,
                "max_recursion_depth": limits.recursion,
                # Calls, names that are looked up, and what it waits for.
                "max_suspensions": 4 * limits.calls + 100,
            },
            # Neither clocks nor chance: with the same answers a snippet does the same again.
            os_policy={"datetime": "call_host", "random_start": "call_host", "sleep": "call_host"},
            type_check=True,
            type_check_stubs=self._stubs,
            type_check_format="concise",
        )

    async def _opened(self) -> tuple[Monty, ThreadPoolExecutor]:
        from pydantic_monty import Monty

        async with self._opening:
            if self._pool is None or self._threads is None:
                threads = ThreadPoolExecutor(2 * self._workers, "treadle-code-mode")
                loop = asyncio.get_running_loop()
                try:
                    pool = Monty(
                        max_processes=self._workers,
                        checkout_timeout=_CHECKOUT_SECONDS,
                        max_checkouts_per_worker=1000,
                    )
                    await loop.run_in_executor(threads, pool.__enter__)
                except (OSError, RuntimeError) as error:
                    threads.shutdown(wait=False)
                    raise ToolError(
                        "code_mode_failed",
                        f"the interpreter does not start: {error}; reinstall pydantic-monty",
                    ) from error
                self._pool, self._threads = pool, threads
            return self._pool, self._threads

    async def close(self) -> None:
        """End the processes."""
        pool, self._pool = self._pool, None
        threads, self._threads = self._threads, None
        if pool is not None and threads is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(threads, lambda: pool.__exit__(None, None, None))
            threads.shutdown(wait=False)

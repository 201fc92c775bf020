"""A database in an event loop of its own thread, for callers with a loop, without one, with many.

LangGraph calls a store from synchronous nodes in threads of a pool, from any number of event
loops one after the other, and from within them. Connections belong to one loop; so here they have
one, which is nobody else's. A synchronous call therefore never waits for the loop it stands in.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from treadle.core.database import Database, DatabaseUrl
from treadle.core.errors import RunError

ResultT = TypeVar("ResultT")

DEADLINE = 300.0
"""Seconds after which a call is given up. Waiting for locks and servers ends long before."""

_READERS = 8
"""How many read at a time; the rest wait here, not for the pool, which would give up."""

_GRACE = 5.0
"""Seconds that calls under way have when it is closed."""


class Access:
    """What a call works with: transactions of the database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._readers = asyncio.Semaphore(_READERS)
        # A file has one writer. Threads of one process wait here in order; with SQLite's own
        # waiting, which is by chance, the last of many would wait longest.
        self._writers = asyncio.Semaphore(1 if database.url.is_sqlite else _READERS)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that reads."""
        async with self._readers, self.database.reading() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that writes, committed at the end of the block."""
        async with self._writers, self.database.writing() as connection:
            yield connection


Work: TypeAlias = Callable[[Access], Awaitable[ResultT]]


class DatabaseThread:
    """Calls into a database. The thread starts with the first call, and again after `close`.

    Calls raise RunError and ConfigError as `Database` does.
    """

    def __init__(self, url: DatabaseUrl) -> None:
        self.url = url
        self._guard = threading.Lock()
        self._running: _Running | None = None
        self._finalizer: weakref.finalize[[_Running], DatabaseThread] | None = None

    def call(self, work: Work[ResultT]) -> ResultT:
        """Wait for `work`, in any thread; where an event loop runs in it, that waits too."""
        return self._submit(work).result(DEADLINE + _GRACE)

    async def acall(self, work: Work[ResultT]) -> ResultT:
        """Await `work`, in any event loop.

        Who is cancelled goes on at once, and the transaction comes to its end: it is whole, or
        did not happen.
        """
        return await asyncio.shield(asyncio.wrap_future(self._submit(work)))

    def close(self) -> None:
        """Wait for what is under way, and close the connections."""
        running = self._take()
        if running is not None:
            running.stop()
            running.thread.join(2 * _GRACE)

    async def aclose(self) -> None:
        """Like `close`, without stopping the event loop."""
        running = self._take()
        if running is not None:
            running.stop()
            await asyncio.to_thread(running.thread.join, 2 * _GRACE)

    def _submit(self, work: Work[ResultT]) -> Future[ResultT]:
        with self._guard:
            # A forked child has the object, and not the thread.
            if self._running is None or self._running.pid != os.getpid():
                self._running = _Running(self.url)
                self._finalizer = weakref.finalize(self, _Running.stop, self._running)
                # What was acknowledged is on the disk; nothing is to be done at the very end.
                self._finalizer.atexit = False
            return asyncio.run_coroutine_threadsafe(self._running.run(work), self._running.loop)

    def _take(self) -> _Running | None:
        with self._guard:
            running, self._running = self._running, None
            if self._finalizer is not None:
                self._finalizer.detach()
                self._finalizer = None
        return running if running is not None and running.pid == os.getpid() else None


class _Running:
    """The thread, its loop and what lives in it."""

    def __init__(self, url: DatabaseUrl) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._url = url
        self._access: Access | None = None
        self.thread = threading.Thread(
            target=self._main, name="treadle-langgraph-database", daemon=True
        )
        self.thread.start()

    async def run(self, work: Work[ResultT]) -> ResultT:
        if self._access is None:
            self._access = Access(Database(self._url))
        try:
            async with asyncio.timeout(DEADLINE):
                return await work(self._access)
        except TimeoutError as error:
            raise RunError(
                "database_unavailable", f"{self._url}: no answer within {DEADLINE:g} s"
            ) from error

    def stop(self) -> None:
        """Let the thread end; does not wait for it, since a finalizer may run in any thread."""
        if self.pid == os.getpid() and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.loop.stop)

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self._finish())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()

    async def _finish(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            _, late = await asyncio.wait(left, timeout=_GRACE)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_GRACE)
        if self._access is not None:
            await self._access.database.close()

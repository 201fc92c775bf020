"""Group commit: everything that happened in one turn of the event loop is one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from treadle.core.errors import RunError, TreadleError
from treadle.core.event_log import EventLog
from treadle.core.events import Event, RunFinished
from treadle.executor.journal.batch import Batch, Sink
from treadle.executor.journal.codec import encode

MOMENT = 0.02
"""Seconds after which what nobody waits for is committed, if nothing else was before."""


class Recording:
    """The journal of one run that this process holds; the `Recorder` of its log.

    fence: the number under which the run is held. A process that takes the run over raises it,
        and from then on nothing more of this recording is written.
    failed: told once, when nothing more can be kept: the run has to stop.
    """

    def __init__(self, writer: Writer, run_id: str, fence: int) -> None:
        self.run_id = run_id
        self.fence = fence
        self.log: EventLog | None = None
        self.error: RunError | None = None
        self.failed: Callable[[RunError], None] = lambda error: None
        self._writer = writer

    def record(self, event: Event, durable: bool, soon: bool) -> None:
        if self.error is None:
            self._writer.add(self, event, durable, soon)
        else:
            self.published(event.seq + 1)

    def flush(self) -> None:
        self._writer.flush()

    async def durable(self) -> None:
        if self.error is None:
            await self._writer.durable()
        if self.error is not None:
            raise self.error

    async def flushed(self) -> None:
        """Return when everything recorded so far is committed, or failed."""
        await self._writer.flushed()

    def published(self, count: int) -> None:
        """The first `count` events are kept."""
        if self.log is not None:
            self.log.publish(count)

    def lose(self, error: RunError) -> None:
        """Nothing more can be kept."""
        if self.error is None:
            self.error = error
            self.failed(error)
            if self.log is not None:
                # Nobody is to wait for ever for what will never be kept.
                self.log.publish(len(self.log.events))


class Writer:
    """Commits what the recordings of one process record, one batch after the other."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._batch = Batch()
        self._recordings: dict[str, tuple[Recording, int]] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._scheduled = False
        self._later: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, recording: Recording, event: Event, durable: bool, soon: bool) -> None:
        """Put `event` into the next batch; see `Recorder.record`."""
        batch = self._batch
        batch.durable = batch.durable or durable
        batch.rows.append(encode(event))
        batch.fences[recording.run_id] = recording.fence
        self._recordings[recording.run_id] = (recording, event.seq + 1)
        if isinstance(event, RunFinished):
            batch.ended.append((event.status, event.at, event.run_id))
        if soon:
            self._schedule()
        elif self._later is None and self._task is None:
            self._later = asyncio.get_running_loop().call_later(MOMENT, self._moment_over)

    def flush(self) -> None:
        """Commit everything added so far, unless a thread or a server has to do it."""
        if self._task is None:
            self._begin()

    async def durable(self) -> None:
        """Return when everything added so far is committed to the disk, or has failed."""
        self._batch.durable = True
        await self.flushed()

    async def flushed(self) -> None:
        """Return when everything added so far is committed, or has failed."""
        done = asyncio.get_running_loop().create_future()
        self._waiters.append(done)
        self._schedule()
        await done

    async def close(self) -> None:
        """Write what is left, then close."""
        await self.flushed()
        if self._later is not None:
            self._later.cancel()
        await self._sink.close()

    def _schedule(self) -> None:
        """Commit in this turn of the loop; a commit under way goes on with what has come up."""
        if not self._scheduled and self._task is None:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turned)

    def _moment_over(self) -> None:
        self._later = None
        self._turned()

    def _turned(self) -> None:
        self._scheduled = False
        if self._task is None and (self._batch.rows or self._waiters):
            self._begin()

    def _begin(self) -> None:
        batch, recordings, waiters = self._take()
        try:
            lost = self._sink.commit_at_once(batch) if batch.rows or batch.durable else set()
        except TreadleError as error:
            _failed(error, recordings, waiters)
            return
        if lost is not None:
            _kept(lost, recordings, waiters)
            return
        self._task = asyncio.get_running_loop().create_task(
            self._commit_all(batch, recordings, waiters)
        )

    async def _commit_all(
        self,
        batch: Batch,
        recordings: dict[str, tuple[Recording, int]],
        waiters: list[asyncio.Future[None]],
    ) -> None:
        """Commit, and whatever has come up meanwhile, until nothing is left."""
        try:
            while True:
                try:
                    lost = await self._sink.commit(batch)
                except TreadleError as error:
                    _failed(error, recordings, waiters)
                else:
                    _kept(lost, recordings, waiters)
                if not (self._batch.rows or self._waiters):
                    return
                batch, recordings, waiters = self._take()
        finally:
            self._task = None

    def _take(
        self,
    ) -> tuple[Batch, dict[str, tuple[Recording, int]], list[asyncio.Future[None]]]:
        taken = self._batch, self._recordings, self._waiters
        self._batch, self._recordings, self._waiters = Batch(), {}, []
        return taken


def _kept(
    lost: set[str],
    recordings: dict[str, tuple[Recording, int]],
    waiters: list[asyncio.Future[None]],
) -> None:
    for run_id, (recording, count) in recordings.items():
        if run_id in lost:
            recording.lose(
                RunError(
                    "run_taken_over",
                    f"another process has taken {run_id} over; this one does no more for it",
                )
            )
        else:
            recording.published(count)
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def _failed(
    error: TreadleError,
    recordings: dict[str, tuple[Recording, int]],
    waiters: list[asyncio.Future[None]],
) -> None:
    failure = error if isinstance(error, RunError) else RunError(error.code, error.message)
    for recording, _ in recordings.values():
        recording.lose(failure)
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)

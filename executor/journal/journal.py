"""The journal of one database: runs, who holds them, their events, and what is asked of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import text

from treadle.core.database import Database, DatabaseUrl
from treadle.core.errors import RunError, TreadleError
from treadle.core.events import Event
from treadle.core.json_value import JsonValue, storable_json
from treadle.executor.journal.codec import decode
from treadle.executor.journal.commands import Act, CommandKind, Commands
from treadle.executor.journal.holder import Holder
from treadle.executor.journal.postgres_sink import PostgresSink
from treadle.executor.journal.run_row import RunRow, find_runs
from treadle.executor.journal.sqlite_sink import SqliteSink
from treadle.executor.journal.writer import Recording, Writer

HEARTBEAT = 4.0
"""Seconds between two signs of life of a process that holds runs."""

SILENCE = 13.0
"""Seconds without one after which a process on another host is taken for dead."""

_POLL = 0.25
"""Seconds between two looks at what other processes ask."""

_log = logging.getLogger("treadle.journal")

_held_here: set[str] = set()
"""The runs that this process holds, in whatever journal."""


class Journal:
    """Opens with its first use. One event loop at a time; `close` it before another uses it.

    silence: seconds without a sign of life after which a holder on another host is taken for dead.

    Raises RunError as `Database` does.
    """

    def __init__(self, url: DatabaseUrl, *, silence: float = SILENCE) -> None:
        self.url = url
        self.database = Database(url)
        self._silence = silence
        self._writer: Writer | None = None
        self._commands = Commands(self.database)
        self._poller: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    # ---- holding runs --------------------------------------------------------------------------

    async def begin(
        self,
        run_id: str,
        *,
        task: str | None,
        now: float,
        parent_id: str | None = None,
        forked_from: str | None = None,
    ) -> Recording:
        """A new run, held by this process. Raises RunError (`run_exists`)."""
        async with self.database.writing() as connection:
            begun = await connection.execute(
                text(
                    "insert into run (run_id, parent_id, forked_from, task, status, created_at,"
                    " holder, fence, heartbeat) values (:run_id, :parent, :forked, :task,"
                    " 'running', :now, :holder, 1, 0) on conflict (run_id) do nothing"
                ),
                {
                    "run_id": run_id,
                    "parent": parent_id,
                    "forked": forked_from,
                    "task": None if task is None else storable_json(task),
                    "now": now,
                    "holder": str(Holder.this_process()),
                },
            )
            if begun.rowcount != 1:
                raise RunError("run_exists", f"there is a run {run_id} already")
        return self._recording(run_id, 1)

    async def take(self, run_id: str) -> Recording:
        """An existing run, from now on held by this process and no other.

        A holder that has died on this host is superseded at once, one on another host after
        `silence` seconds without a sign of life.

        Raises RunError: `run_not_found`, `run_held` by a process that lives.
        """
        fence = await self._claimable(run_id)
        async with self.database.writing() as connection:
            taken = await connection.execute(
                text(
                    "update run set fence = fence + 1, holder = :holder, status = 'running',"
                    " finished_at = null where run_id = :run_id and fence = :fence"
                ),
                {"run_id": run_id, "fence": fence, "holder": str(Holder.this_process())},
            )
            if taken.rowcount != 1:
                raise RunError("run_held", f"another process has just taken {run_id}")
            # Whoever goes on with a run has decided that it is neither cancelled nor paused.
            await connection.execute(
                text("delete from command where run_id = :run_id and kind in ('cancel', 'pause')"),
                {"run_id": run_id},
            )
        return self._recording(run_id, fence + 1)

    async def take_patches(self, recording: Recording, act: Act) -> None:
        """Hand `act` each patch that waits for the run, before `watch` hands over the rest."""
        await self._commands.take_first("patch", recording, act)

    async def watch(self, recording: Recording, act: Act) -> None:
        """Hand `act` each command for the run; those that wait already before this returns."""
        self._commands.watched[recording.run_id] = (recording, act)
        await self._commands.take(recording.run_id)
        if self._poller is None:
            self._stop = asyncio.Event()
            self._poller = asyncio.get_running_loop().create_task(self._poll())

    async def release(
        self, recording: Recording, status: str = "interrupted", finished_at: float | None = None
    ) -> None:
        """Hold a run no longer that was not run; it has the status that it had before."""
        await recording.flushed()
        _held_here.discard(recording.run_id)
        async with self.database.writing() as connection:
            await connection.execute(
                text(
                    "update run set holder = null, status = :status, finished_at = :finished"
                    " where run_id = :run_id and fence = :fence"
                ),
                {
                    "run_id": recording.run_id,
                    "fence": recording.fence,
                    "status": status,
                    "finished": finished_at,
                },
            )

    async def leave(self, recording: Recording) -> None:
        """The run has ended here: write what is left of it, and hold it no longer."""
        self._commands.watched.pop(recording.run_id, None)
        try:
            await recording.flushed()
            if recording.error is not None:
                await self._let_go(recording)
        finally:
            _held_here.discard(recording.run_id)
            if not self._commands.watched:
                await self._stop_polling()

    # ---- what is there -------------------------------------------------------------------------

    async def events(self, run_id: str) -> list[Event]:
        """The events of a run, in order. Raises RunError (`run_not_found`, `journal_damaged`)."""
        async with self.database.reading() as connection:
            rows = await connection.execute(
                text(
                    "select run_id, seq, at, kind, body, payload from event"
                    " where run_id = :run_id order by seq"
                ),
                {"run_id": run_id},
            )
            events = [
                decode((row.run_id, row.seq, row.at, row.kind, row.body, row.payload))
                for row in rows
            ]
        if not events:
            await self.row(run_id)
        for number, event in enumerate(events):
            if event.seq != number:
                raise RunError("journal_damaged", f"{run_id} has no event {number}")
        return events

    async def row(self, run_id: str) -> RunRow:
        """One run. Raises RunError (`run_not_found`)."""
        found = await self._rows("where run_id = :run_id", run_id=run_id)
        if not found:
            raise RunError("run_not_found", f"there is no run '{run_id[:80]}' in {self.url}")
        return found[0]

    async def runs(self, limit: int = 50) -> list[RunRow]:
        """The latest runs, newest first; runs that are part of others are not listed."""
        return await self._rows(
            "where parent_id is null order by created_at desc, run_id desc limit :limit",
            limit=limit,
        )

    async def children(self, run_id: str) -> list[RunRow]:
        """The runs that steps of `run_id` have started, oldest first."""
        return await self._rows("where parent_id = :run_id order by created_at", run_id=run_id)

    # ---- asking for something ------------------------------------------------------------------

    async def ask(self, run_id: str, kind: CommandKind, body: dict[str, JsonValue]) -> int:
        """Leave a command for whoever holds the run, now or later; return its id.

        Raises RunError (`run_not_found`).
        """
        await self.row(run_id)
        return await self._commands.put(run_id, kind, body)

    async def withdraw(self, command_id: int) -> None:
        """Take back what was asked, if nobody has taken it yet."""
        await self._commands.withdraw(command_id)

    async def close(self) -> None:
        """Write what is left and close all connections."""
        await self._stop_polling()
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.close()
        await self.database.close()

    async def _let_go(self, recording: Recording) -> None:
        """Its end could not be kept: others may go on with it, if the database can be told so."""
        try:
            await self.release(recording)
        except RunError as error:
            _log.warning("%s is still held by this process: %s", recording.run_id, error)

    # ---- within --------------------------------------------------------------------------------

    def _recording(self, run_id: str, fence: int) -> Recording:
        if self._writer is None:
            sqlite = self.url.is_sqlite
            self._writer = Writer(SqliteSink(self.url) if sqlite else PostgresSink(self.database))
        _held_here.add(run_id)
        return Recording(self._writer, run_id, fence)

    async def _claimable(self, run_id: str) -> int:
        """The fence of a run that nobody holds any more."""
        loop = asyncio.get_running_loop()
        silent_since, heartbeat = loop.time(), None
        while True:
            async with self.database.reading() as connection:
                found = await connection.execute(
                    text("select holder, fence, heartbeat from run where run_id = :run_id"),
                    {"run_id": run_id},
                )
                row = found.first()
            if row is None:
                raise RunError("run_not_found", f"there is no run '{run_id[:80]}' in {self.url}")
            fence = int(row.fence)
            if row.holder is None or self._is_free(run_id, Holder.read(row.holder)):
                return fence
            held = RunError("run_held", f"{run_id} is under way in another process")
            if Holder.read(row.holder).is_local or heartbeat not in (None, row.heartbeat):
                raise held
            # By our own clock: what another host calls the time may be anything.
            if heartbeat is not None and loop.time() - silent_since >= self._silence:
                return fence
            heartbeat = row.heartbeat
            await asyncio.sleep(0.5)

    def _is_free(self, run_id: str, holder: Holder) -> bool:
        if str(holder) == str(Holder.this_process()):
            return run_id not in _held_here
        return holder.is_dead

    async def _rows(self, where: str, **values: object) -> list[RunRow]:
        return await find_runs(self.database, where, values)

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        beaten = loop.time()
        stop = self._stop
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _POLL)
                return
            try:
                await self._commands.take()
                if loop.time() - beaten >= HEARTBEAT:
                    beaten = loop.time()
                    await self._beat()
            except TreadleError:
                # The database does not answer for now. What must be written will say so; this
                # only looks, and looks again.
                continue

    async def _beat(self) -> None:
        held: Sequence[dict[str, object]] = [
            {"run_id": run_id, "fence": recording.fence}
            for run_id, (recording, _) in self._commands.watched.items()
        ]
        if held:
            async with self.database.writing() as connection:
                await connection.execute(
                    text(
                        "update run set heartbeat = heartbeat + 1"
                        " where run_id = :run_id and fence = :fence"
                    ),
                    held,
                )

    async def _stop_polling(self) -> None:
        poller, self._poller = self._poller, None
        if poller is not None:
            # Not cancelled: a query that is cut short leaves its connection behind.
            self._stop.set()
            await asyncio.wait([poller])

"""What other processes ask of runs: rows that wait for whoever holds the run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy import bindparam, text

from treadle.core.database import Database
from treadle.core.json_value import JsonValue, storable_json
from treadle.executor.journal.writer import Recording

CommandKind: TypeAlias = Literal["cancel", "pause", "answer", "patch"]


@dataclass(frozen=True, slots=True)
class Command:
    """What another process asks of a run; `body` depends on the kind."""

    id: int
    run_id: str
    kind: CommandKind
    body: dict[str, JsonValue]


Act: TypeAlias = Callable[[Command], None]


class Commands:
    """The commands for the runs that this process holds; each is handed over once.

    watched: the recordings of these runs, with who is to be told.
    """

    def __init__(self, database: Database) -> None:
        self.watched: dict[str, tuple[Recording, Act]] = {}
        self._database = database
        self._taken: set[int] = set()

    async def put(self, run_id: str, kind: CommandKind, body: dict[str, JsonValue]) -> None:
        """Leave a command for whoever holds the run, now or later."""
        async with self._database.writing() as connection:
            await connection.execute(
                text(
                    "insert into command (run_id, kind, body, created_at)"
                    " values (:run_id, :kind, :body, :now)"
                ),
                {"run_id": run_id, "kind": kind, "body": storable_json(body), "now": time.time()},
            )

    async def take(self, *run_ids: str) -> None:
        """Hand over what waits for these runs, or for all that are watched."""
        # Not by number from the last one on: a command may be committed after a later one.
        query = text(
            "select command_id, run_id, kind, body from command where run_id in :run_ids"
            " order by command_id"
        ).bindparams(bindparam("run_ids", expanding=True))
        async with self._database.reading() as connection:
            found = await connection.execute(query, {"run_ids": list(run_ids or self.watched)})
            rows = found.all()
        done: list[dict[str, int]] = []
        touched: list[Recording] = []
        for row in rows:
            watched = self.watched.get(row.run_id)
            if watched is None or row.command_id in self._taken:
                continue
            self._taken.add(row.command_id)
            recording, act = watched
            act(Command(row.command_id, row.run_id, row.kind, json.loads(row.body)))
            done.append({"id": row.command_id})
            touched.append(recording)
        for recording in touched:
            # What it led to is kept before it is forgotten.
            await recording.flushed()
        if done:
            async with self._database.writing() as connection:
                await connection.execute(text("delete from command where command_id = :id"), done)

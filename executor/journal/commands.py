"""What other processes ask of runs: rows that wait for whoever holds the run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
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

    async def put(self, run_id: str, kind: CommandKind, body: dict[str, JsonValue]) -> int:
        """Leave a command for whoever holds the run, now or later; return its id."""
        async with self._database.writing() as connection:
            left = await connection.execute(
                text(
                    "insert into command (run_id, kind, body, created_at)"
                    " values (:run_id, :kind, :body, :now) returning command_id"
                ),
                {"run_id": run_id, "kind": kind, "body": storable_json(body), "now": time.time()},
            )
            return int(left.scalar_one())

    async def withdraw(self, command_id: int) -> None:
        """Take back a command, if nobody has taken it yet."""
        async with self._database.writing() as connection:
            await connection.execute(
                text("delete from command where command_id = :id"), {"id": command_id}
            )

    async def take(self, *run_ids: str) -> None:
        """Hand over what waits for these runs, or for all that are watched."""
        await self._hand_over(await self._waiting(run_ids or self.watched), self.watched)

    async def take_first(self, kind: CommandKind, recording: Recording, act: Act) -> None:
        """Hand over what waits of one kind for a run that is not watched yet."""
        rows = [each for each in await self._waiting([recording.run_id]) if each.kind == kind]
        await self._hand_over(rows, {recording.run_id: (recording, act)})

    async def _waiting(self, run_ids: Iterable[str]) -> list[Command]:
        # Not by number from the last one on: a command may be committed after a later one.
        query = text(
            "select command_id, run_id, kind, body from command where run_id in :run_ids"
            " order by command_id"
        ).bindparams(bindparam("run_ids", expanding=True))
        async with self._database.reading() as connection:
            found = await connection.execute(query, {"run_ids": list(run_ids)})
            rows = found.all()
        return [Command(row[0], row[1], row[2], json.loads(row[3])) for row in rows]

    async def _hand_over(
        self, commands: Iterable[Command], told: Mapping[str, tuple[Recording, Act]]
    ) -> None:
        done: list[dict[str, int]] = []
        touched: list[Recording] = []
        for command in commands:
            listener = told.get(command.run_id)
            if listener is None or command.id in self._taken:
                continue
            self._taken.add(command.id)
            recording, act = listener
            act(command)
            done.append({"id": command.id})
            touched.append(recording)
        for recording in touched:
            # What it led to is kept before it is forgotten.
            await recording.flushed()
        if done:
            async with self._database.writing() as connection:
                await connection.execute(text("delete from command where command_id = :id"), done)

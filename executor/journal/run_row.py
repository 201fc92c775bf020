"""A run as the list of runs shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text

from treadle.core.database import Database
from treadle.executor.journal.holder import Holder


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as the list of runs shows it; times in seconds since 1970.

    status: as its last event says; "running" while a process holds it, "interrupted" when that
        process is gone.
    """

    run_id: str
    status: str
    task: str | None
    created_at: float
    finished_at: float | None
    parent_id: str | None
    forked_from: str | None


async def find_runs(database: Database, where: str, values: Mapping[str, object]) -> list[RunRow]:
    """The runs that `where` selects: a constant of the caller's, with `values` bound in it."""
    columns = "run_id, status, task, created_at, finished_at, parent_id, forked_from, holder"
    async with database.reading() as connection:
        found = await connection.execute(text(f"select {columns} from run {where}"), values)  # noqa: S608
        rows = found.all()
    return [
        RunRow(
            run_id=row.run_id,
            status=_status(row.status, row.holder),
            task=None if row.task is None else json.loads(row.task),
            created_at=row.created_at,
            finished_at=row.finished_at,
            parent_id=row.parent_id,
            forked_from=row.forked_from,
        )
        for row in rows
    ]


def _status(status: str, holder: str | None) -> str:
    if status == "running" and (holder is None or Holder.read(holder).is_dead):
        return "interrupted"
    return status

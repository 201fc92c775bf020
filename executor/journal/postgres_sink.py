"""Batches into PostgreSQL."""

from __future__ import annotations

from sqlalchemy import bindparam, text

from treadle.core.database.database import Database
from treadle.executor.journal.batch import INSERT_EVENT, Batch

_NAMES = ("run_id", "seq", "at", "kind", "body", "payload")
_INSERT = text(f"{INSERT_EVENT}({', '.join(f':{name}' for name in _NAMES)})")
_END = text(
    "update run set status = :status, finished_at = :at, holder = null where run_id = :run_id"
)
# Shared, so that whoever takes a run over waits for this transaction, and the other way round.
_FENCES = text(
    "select run_id, fence from run where run_id in :run_ids order by run_id for share"
).bindparams(bindparam("run_ids", expanding=True))


class PostgresSink:
    """Commits over the network, so never at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def commit_at_once(self, batch: Batch) -> set[str] | None:
        return None

    async def commit(self, batch: Batch) -> set[str]:
        async with self._database.writing() as connection:
            if not batch.durable:
                # A crash of the server may lose the last moments of what is safe to repeat.
                await connection.execute(text("set local synchronous_commit = off"))
            found = await connection.execute(_FENCES, {"run_ids": list(batch.fences)})
            held = {row.run_id: row.fence for row in found}
            lost = {run_id for run_id, fence in batch.fences.items() if held.get(run_id) != fence}
            if lost:
                batch = batch.without(lost)
            if batch.rows:
                await connection.execute(
                    _INSERT, [dict(zip(_NAMES, row, strict=True)) for row in batch.rows]
                )
            for status, at, run_id in batch.ended:
                await connection.execute(_END, {"status": status, "at": at, "run_id": run_id})
        return lost

    async def close(self) -> None:
        return

"""What one transaction of the journal writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from treadle.executor.journal.codec import Row

INSERT_EVENT = "insert into event (run_id, seq, at, kind, body, payload) values "
END_RUN = "update run set status = {0}, finished_at = {0}, holder = null where run_id = {0}"


@dataclass(slots=True)
class Batch:
    """Events of any number of runs, in the order in which they happened.

    fences: the fence under which each of the runs is held; see `Lease` in `journal`.
    ended: (status, time, run id) of the runs that end with it, and are given back.
    durable: whether it must survive a power cut.
    """

    rows: list[Row] = field(default_factory=list)
    fences: dict[str, int] = field(default_factory=dict)
    ended: list[tuple[str, float, str]] = field(default_factory=list)
    durable: bool = False

    def without(self, lost: set[str]) -> Batch:
        """The part that is about other runs than `lost`."""
        return Batch(
            [row for row in self.rows if row[0] not in lost],
            {run_id: fence for run_id, fence in self.fences.items() if run_id not in lost},
            [each for each in self.ended if each[2] not in lost],
            self.durable,
        )


class Sink(Protocol):
    """Where batches go.

    Both ways to commit return the runs that another process has taken over: nothing of them is
    written. They raise RunError where nothing can be written at all.
    """

    def commit_at_once(self, batch: Batch) -> set[str] | None:
        """Commit on the calling thread, in a few milliseconds; None where that cannot be."""
        ...

    async def commit(self, batch: Batch) -> set[str]:
        """Commit, however long it takes (bounded)."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...

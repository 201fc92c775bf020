"""Which tools the plans of past runs used, for choosing among many tools."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from treadle.core.threads import run_in_thread
from treadle.planner.shown_tools import PastPlan, ShownTools
from treadle.tools import ToolRegistry

if TYPE_CHECKING:
    from treadle.core.database import Database

RUNS = 200
"""The latest runs that are looked at."""

EVENTS = 3_000
"""And of these the latest events of steps: about 1,500 steps."""

_Row: TypeAlias = tuple[str, str | None, str, str]

# As for durations: both databases walk the primary key backwards, and stop.
_QUERY = """
    select event.run_id, run.task, event.kind, event.body
    from event join run on run.run_id = event.run_id
    where event.run_id in (
        select run_id from run where status = 'succeeded' order by created_at desc limit :runs)
    and event.kind in ('step_planned', 'step_finished')
    order by event.run_id desc, event.seq desc limit :events
"""


@dataclass(frozen=True, slots=True)
class PastPlans:
    """Teaches `shown` what the runs of a journal used of `tools`."""

    shown: ShownTools
    tools: ToolRegistry

    @property
    def matter(self) -> bool:
        """Whether there is a choice to be made at all."""
        return self.shown.chooses_from(self.tools)

    async def learn(self, database: Database) -> None:
        """Read the latest runs that succeeded. Raises RunError as `Database` does."""
        plans = await past_plans(database)
        if plans:
            await run_in_thread(lambda: self.shown.learn(plans, self.tools))


async def past_plans(
    database: Database, *, runs: int = RUNS, events: int = EVENTS
) -> list[PastPlan]:
    """The tools whose calls succeeded in runs that succeeded, the oldest run first."""
    from sqlalchemy import text

    async with database.reading() as connection:
        found = await connection.execute(text(_QUERY), {"runs": runs, "events": events})
        rows: Sequence[_Row] = [tuple(row) for row in found]
    return await run_in_thread(lambda: list(_plans(reversed(rows))))


def _plans(rows: Iterable[_Row]) -> Iterator[PastPlan]:
    """The plans in `rows`, which are in order, and may begin in the middle of a run."""
    tasks: dict[str, str] = {}
    planned: dict[tuple[str, str], str] = {}
    used: dict[str, dict[str, None]] = {}
    for run_id, task, kind, body in rows:
        fields = json.loads(body)
        step = run_id, fields["step_id"]
        tasks.setdefault(run_id, "" if task is None else json.loads(task))
        if kind == "step_planned":
            planned[step] = fields["tool"]
        elif fields["status"] == "succeeded" and step in planned:
            used.setdefault(run_id, {})[planned[step]] = None
    for run_id, tools in used.items():
        yield PastPlan(tuple(tools), tasks[run_id])

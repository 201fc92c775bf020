"""How long tools took in the runs that a journal tells of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from sqlalchemy import text

from treadle.core.database import Database
from treadle.core.durations import SeenDuration
from treadle.core.threads import run_in_thread
from treadle.executor.step_key import PATTERN_DIGITS

RUNS = 200
"""The latest runs that are looked at."""

EVENTS = 3_000
"""And of these the latest events of steps: about 1,000 steps."""

_Row: TypeAlias = tuple[str, str, float, str]

# Both databases walk the primary key backwards, and stop: neither sorts, nor reads payloads. Ids
# begin with the time at which their run was made.
_QUERY = """
    select run_id, kind, at, body from event
    where run_id in (select run_id from run order by created_at desc limit :runs)
    and kind in ('step_planned', 'step_started', 'step_finished', 'step_retrying',
                 'doubt_settled', 'run_resumed')
    order by run_id desc, seq desc limit :events
"""


async def recorded_durations(
    database: Database, *, runs: int = RUNS, events: int = EVENTS
) -> list[SeenDuration]:
    """What calls took that succeeded, with the patterns of their arguments, the latest last.

    Only calls that one process has begun and ended: of the others the time means nothing, no more
    than of a call whose result was found out afterwards.
    """
    async with database.reading() as connection:
        found = await connection.execute(text(_QUERY), {"runs": runs, "events": events})
        rows: Sequence[_Row] = [tuple(row) for row in found]
    return await run_in_thread(lambda: list(_seen(reversed(rows))))


def _seen(rows: Iterable[_Row]) -> Iterator[SeenDuration]:
    """The calls in `rows`, which are in order, and may begin in the middle of a run."""
    run, tools, began = "", dict[str, str](), dict[str, tuple[float, str]]()
    doubtful: set[str] = set()
    for run_id, kind, at, body in rows:
        if run_id != run:
            run, tools, began, doubtful = run_id, {}, {}, set()
        if kind == "run_resumed":
            began.clear()
            continue
        fields = json.loads(body)
        step_id = fields["step_id"]
        match kind:
            case "step_planned":
                tools[step_id] = fields["tool"]
            case "doubt_settled":
                doubtful.add(step_id)
            case "step_started" if "index" not in fields and "input_hash" in fields:
                # Without arguments it is a whole fan-out, whose time is not that of a call.
                began[step_id] = at, fields["input_hash"][:PATTERN_DIGITS]
            case "step_retrying":
                began.pop(step_id, None)
            case "step_finished":
                started = began.pop(step_id, None)
                succeeded = fields["status"] == "succeeded" and step_id not in doubtful
                if not succeeded or started is None or step_id not in tools:
                    continue
                start, pattern = started
                if at >= start:
                    yield tools[step_id], at - start, pattern

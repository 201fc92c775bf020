"""Errands about an episode that was said again: every time at which it was said, and none lost."""

from __future__ import annotations

import json
from collections.abc import Mapping

from treadle.core.json_value import JsonValue
from treadle.memory import tables
from treadle.memory.kinds import Kind
from treadle.memory.store import Partition
from treadle.memory.writing.outbox import post

_table = tables.outbox

_MOST_TIMES = 256
"""That wait to be read of one episode; of more, the first ones are kept and the last."""


async def say_again(partition: Partition, task: str, number: int, at: float) -> None:
    """Ask for `task` on an episode that was said again at `at`, epoch seconds.

    What waits already is not lost: neither its first reading nor another time.
    """
    query = partition.rows(_table, _table.c.payload).where(
        _table.c.task == task, _table.c.kind == int(Kind.EPISODE), _table.c.item_id == number
    )
    waiting = (await partition.execute(query)).first()
    payload: dict[str, JsonValue] = {"again_at": at}
    if waiting is not None:
        before = json.loads(waiting.payload)
        times = _times(before)
        payload = {
            "again_at": [*times[: _MOST_TIMES - 1], at],
            "unread": bool(before.get("unread", not times)),
        }
    await post(partition, [task], Kind.EPISODE, [number], payload)


def spoken_times(payload: Mapping[str, JsonValue], occurred_at: float) -> list[float]:
    """When an episode was said, of the times that are to be read; epoch seconds."""
    times = _times(payload)
    first = [occurred_at] if not times or payload.get("unread") is True else []
    return list(dict.fromkeys([*first, *times]))


def _times(payload: Mapping[str, JsonValue]) -> list[float]:
    again = payload.get("again_at")
    given = again if isinstance(again, list) else [again]
    return [float(each) for each in given if isinstance(each, int | float)]

"""Who "I" is in a question."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.memory.recall.entry import Entry
from treadle.memory.store import Partition
from treadle.memory.writing.entities import known_as
from treadle.memory.writing.extraction.rules import DEFAULT_SPEAKER


async def asker(partition: Partition, read: Sequence[Entry]) -> list[int]:
    """The numbers of the entity that asks: the only person who speaks in what was read.

    Where several do, or none, it is the one that stands for persons without a name.
    """
    persons = {each.actor for each in read if each.by_person}
    name = next(iter(persons)) if len(persons) == 1 else ""
    return await known_as(partition, name or DEFAULT_SPEAKER)

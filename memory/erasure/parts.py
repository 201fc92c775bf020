"""What artifacts hold, read in portions."""

from __future__ import annotations

from treadle.memory import tables
from treadle.memory.erasure.columns import every_row
from treadle.memory.erasure.comparing import in_thread_if_long
from treadle.memory.erasure.sought import Sought
from treadle.memory.store import Partition

_OVERLAP = 4_096
"""Bytes of a part that are looked at again with the next, so that no word is cut."""


async def content_of(partition: Partition, number: int) -> str:
    """The text of an artifact; what is not UTF-8 is shown as such."""
    part = tables.artifact_part
    query = (
        partition.rows(part, part.c.content)
        .where(part.c.artifact_id == number)
        .order_by(part.c.start)
    )
    parts = (await partition.execute(query)).scalars().all()
    return b"".join(parts).decode("utf-8", "replace")


async def artifacts_with(partition: Partition, sought: Sought) -> list[int]:
    """The artifacts in whose content something sought stands."""
    artifact = tables.artifact
    numbers = [row.id async for row in every_row(partition, artifact, artifact.c.name)]
    return [number for number in numbers if await _holds(partition, number, sought)]


async def _holds(partition: Partition, number: int, sought: Sought) -> bool:
    part = tables.artifact_part
    start, tail = -1, b""
    while True:
        query = (
            partition.rows(part, part.c.start, part.c.content)
            .where(part.c.artifact_id == number, part.c.start > start)
            .order_by(part.c.start)
            .limit(1)
        )
        row = (await partition.execute(query)).first()
        if row is None:
            return False
        seen = tail + row.content
        text = seen.decode("utf-8", "replace")
        if await in_thread_if_long([text], lambda text=text: sought.found_in(text)):  # type: ignore[misc]
            return True
        start, tail = row.start, seen[-_OVERLAP:]

"""The rows of artifacts and of their parts."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa

from treadle.core.errors import InputError
from treadle.core.taint import Labels
from treadle.memory import tables
from treadle.memory.learning.artifact import Artifact
from treadle.memory.learning.words import dumped, dumped_labels, read_labels, read_object
from treadle.memory.store import Partition
from treadle.memory.times import moment

PART = 64 * 1024
"""Bytes of one part, as it lies in the database."""

_PARTS_AT_ONCE = 16
_MOST_KEYS = 20
_table = tables.artifact
_parts = tables.artifact_part


async def sign(partition: Partition, number: int, taint: Labels, keys: list[str], key: str) -> None:
    """Note the labels and the key of a change."""
    kept = [*keys, key][-_MOST_KEYS:] if key else keys
    await partition.execute(
        partition.update(_table)
        .where(_table.c.id == number)
        .values(
            taint=dumped_labels(taint),
            recorded_at=partition.now,
            metadata=dumped({"keys": [*kept]}),
        )
    )


def keys_of(row: sa.Row[Any]) -> list[str]:
    """The keys of the calls that have changed it last."""
    found = read_object(row.metadata).get("keys")
    return [str(each) for each in found] if isinstance(found, list) else []


def is_done(row: sa.Row[Any], key: str) -> bool:
    """Whether the call with that key is done already."""
    return bool(key) and key in keys_of(row)


async def grow(partition: Partition, number: int, size: int, content: bytes) -> None:
    """Add `content` behind the first `size` bytes: the last part is filled up first."""
    start = size - size % PART
    if start < size:
        content = await content_of(partition, number, start, size) + content
        await partition.execute(
            partition.delete(_parts).where(_parts.c.artifact_id == number, _parts.c.start == start)
        )
    rows = [
        {"artifact_id": number, "start": start + at, "content": content[at : at + PART]}
        for at in range(0, len(content), PART)
    ]
    if rows:
        await partition.execute(sa.insert(_parts), rows)
    await partition.execute(
        partition.update(_table)
        .where(_table.c.id == number)
        .values(size=start + len(content), content_hash=await _hash(partition, number))
    )


async def delete(partition: Partition, numbers: Sequence[int]) -> None:
    """Delete artifacts with their parts."""
    if numbers:
        await partition.execute(partition.delete(_parts).where(_parts.c.artifact_id.in_(numbers)))
        await partition.execute(partition.delete(_table).where(_table.c.id.in_(numbers)))


async def find(partition: Partition, name: str, version: int | None = None) -> sa.Row[Any] | None:
    """The row of a version of an artifact, the last by default; None where it is not there."""
    query = partition.rows(_table).where(_table.c.name == name)
    if version is not None:
        query = query.where(_table.c.version == version)
    query = query.order_by(_table.c.version.desc()).limit(1)
    return (await partition.execute(query)).first()


async def found(partition: Partition, name: str, version: int | None) -> tuple[Artifact, int]:
    """The same with its number. Raises InputError (`artifact_not_found`)."""
    row = await find(partition, name, version)
    if row is None:
        which = name[:80] if version is None else f"{name[:80]} in version {version}"
        raise InputError("artifact_not_found", f"there is no artifact {which!r}; list them")
    return artifact_of(row), row.id


async def artifact_with(partition: Partition, number: int) -> Artifact:
    """The artifact with that number."""
    query = partition.rows(_table).where(_table.c.id == number)
    return artifact_of((await partition.execute(query)).one())


async def _each_part(
    partition: Partition, number: int, start: int, end: int
) -> AsyncIterator[tuple[int, bytes]]:
    """The parts that have bytes between `start` and `end`, one by one: all may be too much."""
    for at in range(start - start % PART, end, PART):
        query = partition.rows(_parts, _parts.c.content).where(
            _parts.c.artifact_id == number, _parts.c.start == at
        )
        yield at, bytes((await partition.execute(query)).scalar_one())


async def content_of(partition: Partition, number: int, start: int, end: int) -> bytes:
    """The bytes of an artifact from `start` up to `end`."""
    found = bytearray()
    async for at, part in _each_part(partition, number, start, end):
        found += part[max(0, start - at) : end - at]
    return bytes(found)


async def _hash(partition: Partition, number: int) -> str:
    digest = hashlib.sha256()
    query = (
        partition.rows(_parts, _parts.c.start, _parts.c.content)
        .where(_parts.c.artifact_id == number)
        .order_by(_parts.c.start)
        .limit(_PARTS_AT_ONCE)
    )
    last = -1
    while rows := (await partition.execute(query.where(_parts.c.start > last))).all():
        for row in rows:
            digest.update(hashlib.sha256(row.content).digest())
        last = rows[-1].start
    return digest.hexdigest()


async def line_start(partition: Partition, number: int, size: int, line: int) -> int:
    """The first byte of a line; the size where there is none."""
    passed = 1
    if line == 1:
        return 0
    async for at, part in _each_part(partition, number, 0, size):
        breaks = part.count(b"\n")
        if passed + breaks < line:
            passed += breaks
            continue
        position = -1
        while passed < line:
            position = part.index(b"\n", position + 1)
            passed += 1
        return at + position + 1
    return size


def whole_lines(content: bytes, count: int) -> bytes:
    """The first `count` lines of `content`; lines end with a newline only."""
    position = 0
    for _ in range(count):
        found = content.find(b"\n", position)
        if found < 0:
            return content
        position = found + 1
    return content[:position]


def as_bytes(content: str | bytes) -> bytes:
    """Raises InputError (`bad_text`) for what is no text."""
    if isinstance(content, bytes):
        return content
    try:
        return content.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            "bad_text", "the text has half of a surrogate pair in it, which is no character"
        ) from None


def artifact_of(row: sa.Row[Any]) -> Artifact:
    """A row as a value."""
    recorded_at = moment(row.recorded_at)
    assert recorded_at is not None
    return Artifact(
        id=row.uid,
        name=row.name,
        version=row.version,
        size=row.size,
        media_type=row.media_type,
        content_hash=row.content_hash,
        recorded_at=recorded_at,
        taint=read_labels(row.taint),
    )


def last_lines(content: bytes, count: int) -> bytes:
    """The last `count` lines of `content`."""
    position = len(content)
    if content.endswith(b"\n"):
        position -= 1
    for _ in range(count):
        position = content.rfind(b"\n", 0, max(0, position))
        if position < 0:
            return content
    return content[position + 1 :] if count else b""

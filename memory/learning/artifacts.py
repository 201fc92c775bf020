"""The file store of long jobs: versioned, written in parts, read in ranges.

After the file store of L2MAC (arXiv 2310.02003), which lets a model of bounded context produce an
output of any length.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa

from treadle.core.errors import InputError
from treadle.core.taint import CLEAN, Labels
from treadle.memory import tables
from treadle.memory.learning.artifact import Artifact, ArtifactRange, check_name
from treadle.memory.learning.words import checked, dumped, dumped_labels, read_labels, read_object
from treadle.memory.namespace import Namespace
from treadle.memory.store import Partition, Store
from treadle.memory.times import moment

PART = 64 * 1024
"""Bytes of one part, as it lies in the database."""

MOST_BYTES = 64 * 1024 * 1024
"""Of one version of an artifact."""

MOST_READ = 256 * 1024
"""Bytes that one read gives at most."""

MOST_VERSIONS = 10
"""Versions of one artifact that are kept, the last ones."""

_MOST_KEYS = 20
_table = tables.artifact
_parts = tables.artifact_part


class Artifacts:
    """The artifacts of a store.

    most_bytes: of one version; most_versions: of one artifact.
    """

    def __init__(
        self, store: Store, *, most_bytes: int = MOST_BYTES, most_versions: int = MOST_VERSIONS
    ) -> None:
        self._store = store
        self._most_bytes = most_bytes
        self._most_versions = most_versions

    async def write(
        self,
        namespace: Namespace,
        name: str,
        content: str | bytes,
        *,
        media_type: str = "text/plain",
        taint: Labels = CLEAN,
        key: str = "",
    ) -> Artifact:
        """Write the next version of `name`; the versions before are kept, the last few.

        key: of the call, where it may be made again: then it is done once.

        Raises InputError (`bad_artifact_name`, `artifact_too_large`, `text_too_long`, `bad_text`).
        """
        check_name(name)
        given = _bytes(content)
        self._check_size(name, len(given))
        media_type = checked("a media type", media_type, 100)
        async with self._store.writing(namespace) as partition:
            last = await _row(partition, name)
            if last is not None and _is_done(last, key):
                return _artifact(last)
            version = 1 if last is None else last.version + 1
            number = await self._insert(partition, name, version, media_type)
            await _sign(partition, number, taint, [], key)
            await _grow(partition, number, 0, given)
            await self._drop_old(partition, name)
            return await _artifact_of(partition, number)

    async def append(
        self,
        namespace: Namespace,
        name: str,
        content: str | bytes,
        *,
        taint: Labels = CLEAN,
        key: str = "",
    ) -> Artifact:
        """Add to the end of the last version of `name`, or begin it. No new version is made.

        key: see `write`. Raises what `write` raises.
        """
        check_name(name)
        given = _bytes(content)
        async with self._store.writing(namespace) as partition:
            last = await _row(partition, name)
            if last is not None and _is_done(last, key):
                return _artifact(last)
            size = 0 if last is None else last.size
            self._check_size(name, size + len(given))
            if last is None:
                number = await self._insert(partition, name, 1, "text/plain")
                await _sign(partition, number, taint, [], key)
            else:
                number = last.id
                labels = read_labels(last.taint) | taint
                await _sign(partition, number, labels, _keys(last), key)
            await _grow(partition, number, size, given)
            return await _artifact_of(partition, number)

    async def cut(self, namespace: Namespace, changed: Artifact, start: int) -> None:
        """Take back the last change of an artifact: its bytes from `start` on. A version that has
        none left is deleted.

        Raises InputError (`artifact_changed`) where it is not as that change has left it.
        """
        async with self._store.writing(namespace) as partition:
            row = await _row(partition, changed.name)
            if row is None or _artifact(row).content_hash != changed.content_hash:
                raise InputError(
                    "artifact_changed", f"{changed.name[:80]!r} was changed since; it is kept"
                )
            if start == 0:
                await _delete(partition, [row.id])
                return
            first = start - start % PART
            kept = await _content(partition, row.id, first, start)
            await partition.execute(
                partition.delete(_parts).where(
                    _parts.c.artifact_id == row.id, _parts.c.start >= first
                )
            )
            await _grow(partition, row.id, first, kept)

    async def read(
        self,
        namespace: Namespace,
        name: str,
        *,
        start: int = 0,
        length: int = MOST_READ,
        version: int | None = None,
    ) -> ArtifactRange:
        """Bytes of an artifact from `start` on, at most `MOST_READ` of them; from the end where
        `start` is negative. version: the last one by default.

        Raises InputError (`artifact_not_found`).
        """
        async with self._store.reading(namespace) as partition:
            artifact, number = await _found(partition, name, version)
            first = max(0, artifact.size + start) if start < 0 else min(start, artifact.size)
            end = min(artifact.size, first + max(0, min(length, MOST_READ)))
            content = await _content(partition, number, first, end)
        return ArtifactRange(artifact, content, first, end)

    async def read_lines(
        self,
        namespace: Namespace,
        name: str,
        *,
        first: int = 1,
        count: int = 200,
        version: int | None = None,
    ) -> ArtifactRange:
        """`count` lines of an artifact from line `first` on (from 1), at most `MOST_READ` bytes.

        Raises InputError (`artifact_not_found`).
        """
        async with self._store.reading(namespace) as partition:
            artifact, number = await _found(partition, name, version)
            start = await _line_start(partition, number, artifact.size, max(1, first))
            end = min(artifact.size, start + MOST_READ)
            content = await _content(partition, number, start, end)
        kept = _whole_lines(content, max(0, count))
        return ArtifactRange(artifact, kept, start, start + len(kept), max(1, first))

    async def read_last_lines(
        self, namespace: Namespace, name: str, *, count: int = 200
    ) -> ArtifactRange:
        """The last `count` lines of an artifact, at most `MOST_READ` bytes.

        Raises InputError (`artifact_not_found`).
        """
        part = await self.read(namespace, name, start=-MOST_READ)
        lines = part.content.splitlines(keepends=True)[-max(0, count) :] if count > 0 else []
        kept = part.content[len(part.content) - sum(map(len, lines)) :]
        return ArtifactRange(part.artifact, kept, part.end - len(kept), part.end)

    async def info(
        self, namespace: Namespace, name: str, version: int | None = None
    ) -> Artifact | None:
        """What is known of an artifact; None where it is not there."""
        async with self._store.reading(namespace) as partition:
            row = await _row(partition, name, version)
            return None if row is None else _artifact(row)

    async def all(self, namespace: Namespace, prefix: str = "") -> list[Artifact]:
        """The last version of each artifact whose name begins with `prefix`, by name."""
        async with self._store.reading(namespace) as partition:
            query = partition.rows(_table).order_by(_table.c.name, _table.c.version)
            if prefix:
                query = query.where(sa.func.substr(_table.c.name, 1, len(prefix)) == prefix)
            rows = (await partition.execute(query)).all()
        return list({row.name: _artifact(row) for row in rows}.values())

    async def versions(self, namespace: Namespace, name: str) -> list[Artifact]:
        """The versions of an artifact that are kept, the oldest first."""
        async with self._store.reading(namespace) as partition:
            query = partition.rows(_table).where(_table.c.name == name).order_by(_table.c.version)
            return [_artifact(row) for row in await partition.execute(query)]

    async def delete(self, namespace: Namespace, name: str) -> int:
        """Delete an artifact with all its versions; gives how many there were."""
        async with self._store.writing(namespace) as partition:
            query = partition.rows(_table, _table.c.id).where(_table.c.name == name)
            numbers = (await partition.execute(query)).scalars().all()
            await _delete(partition, numbers)
            return len(numbers)

    def _check_size(self, name: str, size: int) -> None:
        if size > self._most_bytes:
            raise InputError(
                "artifact_too_large",
                f"{name[:80]!r} would have {size:,} bytes; {self._most_bytes:,} are allowed: "
                f"go on in another artifact",
            )

    async def _insert(self, partition: Partition, name: str, version: int, media_type: str) -> int:
        return await partition.add(
            _table,
            uid=self._store.new_id(),
            name=name,
            version=version,
            size=0,
            media_type=media_type,
            recorded_at=partition.now,
        )

    async def _drop_old(self, partition: Partition, name: str) -> None:
        query = (
            partition.rows(_table, _table.c.id)
            .where(_table.c.name == name)
            .order_by(_table.c.version.desc())
            .offset(self._most_versions)
        )
        await _delete(partition, (await partition.execute(query)).scalars().all())


async def _sign(
    partition: Partition, number: int, taint: Labels, keys: list[str], key: str
) -> None:
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


def _keys(row: sa.Row[Any]) -> list[str]:
    found = read_object(row.metadata).get("keys")
    return [str(each) for each in found] if isinstance(found, list) else []


def _is_done(row: sa.Row[Any], key: str) -> bool:
    return bool(key) and key in _keys(row)


async def _grow(partition: Partition, number: int, size: int, content: bytes) -> None:
    """Add `content` behind the first `size` bytes: the last part is filled up first."""
    start = size - size % PART
    if start < size:
        content = await _content(partition, number, start, size) + content
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


async def _delete(partition: Partition, numbers: Any) -> None:
    if numbers:
        await partition.execute(partition.delete(_parts).where(_parts.c.artifact_id.in_(numbers)))
        await partition.execute(partition.delete(_table).where(_table.c.id.in_(numbers)))


async def _row(partition: Partition, name: str, version: int | None = None) -> sa.Row[Any] | None:
    query = partition.rows(_table).where(_table.c.name == name)
    if version is not None:
        query = query.where(_table.c.version == version)
    query = query.order_by(_table.c.version.desc()).limit(1)
    return (await partition.execute(query)).first()


async def _found(partition: Partition, name: str, version: int | None) -> tuple[Artifact, int]:
    row = await _row(partition, name, version)
    if row is None:
        which = name[:80] if version is None else f"{name[:80]} in version {version}"
        raise InputError("artifact_not_found", f"there is no artifact {which!r}; list them")
    return _artifact(row), row.id


async def _artifact_of(partition: Partition, number: int) -> Artifact:
    query = partition.rows(_table).where(_table.c.id == number)
    return _artifact((await partition.execute(query)).one())


async def _each_part(
    partition: Partition, number: int, start: int, end: int
) -> AsyncIterator[tuple[int, bytes]]:
    """The parts that have bytes between `start` and `end`, one by one: all may be too much."""
    for at in range(start - start % PART, end, PART):
        query = partition.rows(_parts, _parts.c.content).where(
            _parts.c.artifact_id == number, _parts.c.start == at
        )
        yield at, bytes((await partition.execute(query)).scalar_one())


async def _content(partition: Partition, number: int, start: int, end: int) -> bytes:
    found = bytearray()
    async for at, part in _each_part(partition, number, start, end):
        found += part[max(0, start - at) : end - at]
    return bytes(found)


async def _hash(partition: Partition, number: int) -> str:
    digest = hashlib.sha256()
    query = (
        partition.rows(_parts, _parts.c.start)
        .where(_parts.c.artifact_id == number)
        .order_by(_parts.c.start)
    )
    for start in (await partition.execute(query)).scalars().all():
        content = await _content(partition, number, start, start + PART)
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


async def _line_start(partition: Partition, number: int, size: int, line: int) -> int:
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


def _whole_lines(content: bytes, count: int) -> bytes:
    """The first `count` lines of `content`; lines end with a newline only."""
    position = 0
    for _ in range(count):
        found = content.find(b"\n", position)
        if found < 0:
            return content
        position = found + 1
    return content[:position]


def _bytes(content: str | bytes) -> bytes:
    if isinstance(content, bytes):
        return content
    try:
        return content.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            "bad_text", "the text has half of a surrogate pair in it, which is no character"
        ) from None


def _artifact(row: sa.Row[Any]) -> Artifact:
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

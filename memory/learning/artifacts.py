"""The file store of long jobs: versioned, written in parts, read in ranges.

After the file store of L2MAC (arXiv 2310.02003), which lets a model of bounded context produce an
output of any length.
"""

from __future__ import annotations

import sqlalchemy as sa

from treadle.core.errors import InputError
from treadle.core.taint import CLEAN, Labels, has_read, labels_here
from treadle.memory import tables
from treadle.memory.learning.artifact import Artifact, ArtifactRange, check_name
from treadle.memory.learning.artifact_rows import (
    PART,
    artifact_of,
    artifact_with,
    as_bytes,
    content_of,
    delete,
    find,
    found,
    grow,
    is_done,
    keys_of,
    last_lines,
    line_start,
    sign,
    whole_lines,
)
from treadle.memory.learning.words import checked, read_labels
from treadle.memory.namespace import Where
from treadle.memory.store import Partition, Store

MOST_BYTES = 64 * 1024 * 1024
"""Of one version of an artifact."""

MOST_READ = 256 * 1024
"""Bytes that one read gives at most."""

MOST_VERSIONS = 10
"""Versions of one artifact that are kept, the last ones."""

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
        name: str,
        content: str | bytes,
        *,
        namespace: Where = None,
        media_type: str = "text/plain",
        taint: Labels = CLEAN,
        key: str = "",
    ) -> Artifact:
        """Write the next version of `name`; the versions before are kept, the last few.

        key: of the call, where it may be made again: then it is done once.

        Raises InputError (`bad_artifact_name`, `artifact_too_large`, `text_too_long`, `bad_text`).
        """
        check_name(name)
        given = as_bytes(content)
        self._check_size(name, len(given))
        media_type = checked("a media type", media_type, 100)
        async with self._store.writing(namespace) as partition:
            last = await find(partition, name)
            if last is not None and is_done(last, key):
                return artifact_of(last)
            version = 1 if last is None else last.version + 1
            number = await self._insert(partition, name, version, media_type)
            await sign(partition, number, taint | labels_here(), [], key)
            await grow(partition, number, 0, given)
            await self._drop_old(partition, name)
            return await artifact_with(partition, number)

    async def append(
        self,
        name: str,
        content: str | bytes,
        *,
        namespace: Where = None,
        taint: Labels = CLEAN,
        key: str = "",
    ) -> Artifact:
        """Add to the end of the last version of `name`, or begin it. No new version is made.

        key: see `write`. Raises what `write` raises.
        """
        check_name(name)
        given = as_bytes(content)
        async with self._store.writing(namespace) as partition:
            last = await find(partition, name)
            if last is not None and is_done(last, key):
                return artifact_of(last)
            size = 0 if last is None else last.size
            self._check_size(name, size + len(given))
            if last is None:
                number = await self._insert(partition, name, 1, "text/plain")
                await sign(partition, number, taint | labels_here(), [], key)
            else:
                number = last.id
                labels = read_labels(last.taint) | taint | labels_here()
                await sign(partition, number, labels, keys_of(last), key)
            await grow(partition, number, size, given)
            return await artifact_with(partition, number)

    async def cut(self, changed: Artifact, start: int, *, namespace: Where = None) -> None:
        """Take back the last change of an artifact: its bytes from `start` on. A version that has
        none left is deleted.

        Raises InputError (`artifact_changed`) where it is not as that change has left it.
        """
        async with self._store.writing(namespace) as partition:
            row = await find(partition, changed.name)
            if row is None or artifact_of(row).content_hash != changed.content_hash:
                raise InputError(
                    "artifact_changed", f"{changed.name[:80]!r} was changed since; it is kept"
                )
            if start == 0:
                await delete(partition, [row.id])
                return
            first = start - start % PART
            kept = await content_of(partition, row.id, first, start)
            await partition.execute(
                partition.delete(_parts).where(
                    _parts.c.artifact_id == row.id, _parts.c.start >= first
                )
            )
            await grow(partition, row.id, first, kept)

    async def read(
        self,
        name: str,
        *,
        namespace: Where = None,
        start: int = 0,
        length: int = MOST_READ,
        version: int | None = None,
    ) -> ArtifactRange:
        """Bytes of an artifact from `start` on, at most `MOST_READ` of them; from the end where
        `start` is negative. version: the last one by default.

        Raises InputError (`artifact_not_found`).
        """
        async with self._store.reading(namespace) as partition:
            artifact, number = await found(partition, name, version)
            first = max(0, artifact.size + start) if start < 0 else min(start, artifact.size)
            end = min(artifact.size, first + max(0, min(length, MOST_READ)))
            content = await content_of(partition, number, first, end)
        has_read(artifact.taint)
        return ArtifactRange(artifact, content, first, end)

    async def read_lines(
        self,
        name: str,
        *,
        namespace: Where = None,
        first: int = 1,
        count: int = 200,
        version: int | None = None,
    ) -> ArtifactRange:
        """`count` lines of an artifact from line `first` on (from 1), at most `MOST_READ` bytes.

        Raises InputError (`artifact_not_found`).
        """
        async with self._store.reading(namespace) as partition:
            artifact, number = await found(partition, name, version)
            start = await line_start(partition, number, artifact.size, max(1, first))
            end = min(artifact.size, start + MOST_READ)
            content = await content_of(partition, number, start, end)
        has_read(artifact.taint)
        kept = whole_lines(content, max(0, count))
        return ArtifactRange(artifact, kept, start, start + len(kept), max(1, first))

    async def read_last_lines(
        self, name: str, *, namespace: Where = None, count: int = 200
    ) -> ArtifactRange:
        """The last `count` lines of an artifact, at most `MOST_READ` bytes.

        Raises InputError (`artifact_not_found`).
        """
        part = await self.read(name, namespace=namespace, start=-MOST_READ)
        kept = last_lines(part.content, max(0, count))
        return ArtifactRange(part.artifact, kept, part.end - len(kept), part.end)

    async def info(
        self, name: str, version: int | None = None, *, namespace: Where = None
    ) -> Artifact | None:
        """What is known of an artifact; None where it is not there."""
        async with self._store.reading(namespace) as partition:
            row = await find(partition, name, version)
            return None if row is None else artifact_of(row)

    async def all(self, prefix: str = "", *, namespace: Where = None) -> list[Artifact]:
        """The last version of each artifact whose name begins with `prefix`, by name."""
        async with self._store.reading(namespace) as partition:
            query = partition.rows(_table).order_by(_table.c.name, _table.c.version)
            if prefix:
                query = query.where(sa.func.substr(_table.c.name, 1, len(prefix)) == prefix)
            rows = (await partition.execute(query)).all()
        return list({row.name: artifact_of(row) for row in rows}.values())

    async def versions(self, name: str, *, namespace: Where = None) -> list[Artifact]:
        """The versions of an artifact that are kept, the oldest first."""
        async with self._store.reading(namespace) as partition:
            query = partition.rows(_table).where(_table.c.name == name).order_by(_table.c.version)
            return [artifact_of(row) for row in await partition.execute(query)]

    async def delete(self, name: str, *, namespace: Where = None) -> int:
        """Delete an artifact with all its versions; gives how many there were."""
        async with self._store.writing(namespace) as partition:
            query = partition.rows(_table, _table.c.id).where(_table.c.name == name)
            numbers = (await partition.execute(query)).scalars().all()
            await delete(partition, numbers)
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
        await delete(partition, (await partition.execute(query)).scalars().all())

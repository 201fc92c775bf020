"""Memory from lines of JSON: all of them, or none."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from treadle.core.errors import InputError
from treadle.core.threads import run_in_thread
from treadle.memory.carrying.arrival import Arrival
from treadle.memory.carrying.checks import bad, checked, namespace_values, parsed
from treadle.memory.carrying.shape import BATCH, BY_NAME, FORMAT, MOST_LINE, VERSION, Shape
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of an import, in rows per table.

    added: new here. present: here already, left as they are. erased: they were forgotten here, and
    stay so, with what hangs off them.
    """

    added: Mapping[str, int] = field(default_factory=dict)
    present: Mapping[str, int] = field(default_factory=dict)
    erased: Mapping[str, int] = field(default_factory=dict)


async def import_(
    store: Store, lines: AsyncIterable[bytes], namespace: Namespace | None = None
) -> Imported:
    """Add what `export` wrote to a store; what is there already, by its id, is left as it is.

    lines: each with its end of line.
    namespace: where all of it is to lie; its tenant is the one who gets it. The default is all of
        the tenant of this machine. Where the first namespace of the file lies elsewhere all is
        moved: the namespace that was exported becomes this one, with those below it.

    Raises InputError, having changed nothing: `bad_import` for a line that is wrong (it is named),
    a file that is cut off or was changed, or what refers to nothing; `import_too_new` for a file
    of a later version. And as `Database` does.
    """
    home = namespace or Namespace()
    incoming = _Incoming(home)
    async with store.database.writing() as connection:
        arrival = Arrival(connection, store.clock.now(), home.tenant)
        async for line, data in _numbered(lines):
            await incoming.take(arrival, line, data)
        incoming.finish()
        await arrival.finish()
    return Imported(dict(+arrival.added), dict(+arrival.present), dict(+arrival.erased))


async def import_file(store: Store, path: Path, namespace: Namespace | None = None) -> Imported:
    """Import what `export_file` wrote; see `import_`. Raises InputError (`import_failed`), too."""
    try:
        with path.open("rb") as file:
            return await import_(store, _lines_of(file), namespace)
    except OSError as error:
        raise InputError("import_failed", f"{path} cannot be read: {error}") from error


async def _numbered(lines: AsyncIterable[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    number = 0
    async for data in lines:
        number += 1
        yield number, data


async def _lines_of(file: IO[bytes]) -> AsyncIterator[bytes]:
    while True:
        some = await run_in_thread(lambda: list(_some(file)))
        if not some:
            return
        for each in some:
            yield each
        await asyncio.sleep(0)


def _some(file: IO[bytes]) -> Iterator[bytes]:
    """Lines of about one _CHUNK; of a line without an end only as much as shows that it is bad."""
    size = 0
    while size < _CHUNK and (data := file.readline(MOST_LINE + 1)):
        size += len(data)
        yield data


class _Incoming:
    """Reads line after line: the manifest, namespaces with their rows, the end."""

    def __init__(self, home: Namespace) -> None:
        self._home = home
        self._root = ""
        self._moves: bool | None = None
        self._digest = sha256()
        self._counts = Counter[str]()
        self._lines = 0
        self._ended = False
        self._shape: Shape | None = None
        self._batch: list[tuple[int, dict[str, Any]]] = []

    async def take(self, arrival: Arrival, line: int, data: bytes) -> None:
        self._lines = line
        if self._ended:
            raise bad(line, "comes after the end")
        record = parsed(line, data)
        if line == 1:
            self._root = _checked_root(record)
        elif "end" in record:
            await self._flush(arrival)
            self._check_end(line, record)
            return
        else:
            await self._take_row(arrival, line, record)
        self._digest.update(data)

    def finish(self) -> None:
        """Raises InputError where the end is missing."""
        if not self._ended:
            raise bad(self._lines + 1, "the end of the file is missing")

    async def _take_row(self, arrival: Arrival, line: int, record: dict[str, Any]) -> None:
        name = record.pop("in", None)
        self._counts[str(name)] += 1
        if name == "namespace":
            await self._flush(arrival)
            here = self._namespace(line, record)
            await arrival.enter(line, here, namespace_values(line, record))
            return
        shape = BY_NAME.get(name) if isinstance(name, str) else None
        if shape is None:
            raise bad(line, f"there is no table {str(name)[:40]!r}")
        if not arrival.entered:
            raise bad(line, "comes before its namespace")
        if shape is not self._shape or len(self._batch) >= BATCH:
            await self._flush(arrival)
        self._shape = shape
        self._batch.append((line, checked(line, shape, record)))

    async def _flush(self, arrival: Arrival) -> None:
        batch, self._batch = self._batch, []
        if batch and self._shape is not None:
            await arrival.take(self._shape, batch)

    def _namespace(self, line: int, record: Mapping[str, Any]) -> Namespace:
        path = record.get("path")
        if not isinstance(path, str):
            raise bad(line, "a namespace without a path")
        try:
            here = Namespace(path, self._home.tenant)
            root = Namespace(self._root, self._home.tenant)
            if not root.holds(here):
                raise bad(line, f"{path!r} is not in {self._root!r}, which was exported")
            if self._moves is None:
                self._moves = not self._home.holds(here)
            if not self._moves:
                if not self._home.holds(here):
                    raise bad(line, f"{path!r} is not in {self._home.path!r}, as others before it")
                return here
            below = path[len(self._root) :].strip("/")
            return Namespace("/".join(filter(None, (self._home.path, below))), self._home.tenant)
        except InputError as error:
            if error.code == "bad_import":
                raise
            raise bad(line, error.message) from None

    def _check_end(self, line: int, record: Mapping[str, Any]) -> None:
        self._ended = True
        if record.get("sha256") != self._digest.hexdigest():
            raise bad(line, "the lines before it are not those that were written")
        if record.get("end") != dict(self._counts):
            raise bad(line, "there are more or fewer rows before it than it says")


def _checked_root(record: Mapping[str, Any]) -> str:
    """The path of the namespace that was exported."""
    version = record.get("version")
    if record.get("format") != FORMAT or not isinstance(version, int) or version < 1:
        raise bad(1, f"is no manifest of {FORMAT}: this is another kind of file")
    if version > VERSION:
        shown = json.dumps(version)[:20]
        raise InputError(
            "import_too_new",
            f"the file has version {shown} of the format, this Treadle knows {VERSION}; upgrade it",
        )
    root = record.get("namespace", "")
    if not isinstance(root, str):
        raise bad(1, "the path of a namespace is no text")
    return root

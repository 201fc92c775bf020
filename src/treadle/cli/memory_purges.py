"""What forgetting does to the files of a user: typed lines, and what is kept to undo calls."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from treadle.core.database import DatabaseUrl
from treadle.core.errors import RunError
from treadle.core.threads import run_in_thread
from treadle.memory.erasure.sought import Sought, stored_strings


class HistoryPurge:
    """Takes entries in which something sought stands out of a history file of the prompt.

    A chat that is open meanwhile has them in its process until it ends, for its own arrow keys.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def url(self) -> DatabaseUrl | None:
        """None: it is no database."""
        return None

    async def purge(self, sought: Sought) -> Mapping[str, int]:
        """How many entries are gone. Raises RunError (`history_unwritable`)."""
        try:
            gone = await run_in_thread(lambda: _purged(self._path, sought))
        except OSError as error:
            reason = error.strerror or str(error)
            raise RunError("history_unwritable", f"{self._path}: {reason}") from error
        return {"typed line": gone} if gone else {}


class KeptPurge:
    """Deletes copies of files, and records of calls, in which something sought stands.

    They are kept so that a call can be taken back: one whose copy is gone no longer can, and says
    so (`copy_gone`).

    folder: `kept` in the user's state folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def url(self) -> DatabaseUrl | None:
        """None: it is no database."""
        return None

    async def purge(self, sought: Sought) -> Mapping[str, int]:
        """How many copies and records are gone. Raises RunError (`copies_unwritable`)."""
        try:
            return await run_in_thread(lambda: dict(+_deleted(self._folder, sought)))
        except OSError as error:
            reason = error.strerror or str(error)
            raise RunError("copies_unwritable", f"{self._folder}: {reason}") from error


def _deleted(folder: Path, sought: Sought) -> Counter[str]:
    done: Counter[str] = Counter()
    for name, kind in (("copies", "kept copy"), ("calls", "record of a call")):
        place = folder / name
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            try:
                content = path.read_bytes().decode("utf-8", "replace")
            except FileNotFoundError:
                continue  # it has grown too old meanwhile
            if sought.found_in(content) or sought.found_in_any(stored_strings(content)):
                path.unlink(missing_ok=True)
                done[kind] += 1
    return done


def _purged(path: Path, sought: Sought) -> int:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return 0
    entries = _entries(content)
    kept = [each for each in entries if not sought.found_in(_said(each))]
    gone = len(entries) - len(kept)
    if gone:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".history-")
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(kept)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    return gone


def _entries(content: bytes) -> list[bytes]:
    """The entries: each begins with an empty line and one with the time."""
    starts = [0]
    at = content.find(b"\n# ")
    while at >= 0:
        starts.append(at)
        at = content.find(b"\n# ", at + 1)
    ends = [*starts[1:], len(content)]
    return [content[start:end] for start, end in zip(starts, ends, strict=True) if end > start]


def _said(entry: bytes) -> str:
    """What was typed: the lines after a plus."""
    lines = entry.decode("utf-8", "replace").split("\n")
    return "\n".join(line[1:] for line in lines if line.startswith("+"))

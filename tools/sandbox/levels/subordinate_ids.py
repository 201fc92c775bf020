"""The subordinate ids of an ordinary user, for executions with uids of their own; subuid(5)."""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from treadle.tools.sandbox.levels.interpreter import Interpreter
from treadle.tools.sandbox.levels.uid_range import UidRange
from treadle.tools.sandbox.levels.warden_side.messages import Mapping, Uids
from treadle.tools.sandbox.levels.warden_side.subordinate import GID_PROGRAM, UID_PROGRAM

UID_FILE, GID_FILE = Path("/etc/subuid"), Path("/etc/subgid")
MOST = 256
MOST_BYTES = 1 << 20
STAGE = "/tmp"  # noqa: S108 - covered by an empty one that only the execution sees
"""A folder that there is everywhere, and that every uid can reach."""


@dataclass(frozen=True, slots=True)
class SubordinateIds:
    """`count` uids from `first_uid` and gids from `first_gid` on, and where their locks are."""

    first_uid: int
    first_gid: int
    count: int
    folder: str

    def as_uids(self) -> Uids:
        """The pool that the warden leases them from."""
        return {"folder": self.folder, "first": self.first_uid, "count": self.count}

    def as_mapping(self) -> Mapping:
        """What the warden's user namespace has."""
        return {
            "first_uid": self.first_uid,
            "first_gid": self.first_gid,
            "count": self.count,
        }


def subordinate_ids() -> SubordinateIds | str:
    """Those of the user who runs this, or why there are none, in words.

    They are taken from the middle of the range: what a container engine runs for the same user
    lies at its beginning and at its end.
    """
    try:
        names = _names()
        uids, gids = _largest(UID_FILE, names), _largest(GID_FILE, names)
    except (OSError, ValueError) as error:
        return f"{UID_FILE} and {GID_FILE} cannot be read: {error}"
    if uids is None or gids is None:
        return f"{UID_FILE if uids is None else GID_FILE} names no range for this user"
    missing = [each for each in (UID_PROGRAM, GID_PROGRAM) if not os.access(each, os.X_OK)]
    if missing:
        return f"{missing[0]} is not installed (the package uidmap)"
    hidden = _hidden_python()
    if hidden is not None:
        return f"only its owner can read {hidden}, which is part of the Python that runs this"
    folder = _lock_folder()
    if folder is None:
        return "there is no folder of this user's own to keep locks in (XDG_STATE_HOME names one)"
    count = min(MOST, uids.count, gids.count)
    skipped = (min(uids.count, gids.count) - count) // 2
    return SubordinateIds(uids.first + skipped, gids.first + skipped, count, folder)


def _names() -> tuple[str, ...]:
    own = os.getuid()
    try:
        return (pwd.getpwuid(own).pw_name, str(own))
    except KeyError:
        return (str(own),)


def _largest(file: Path, names: tuple[str, ...]) -> UidRange | None:
    """The largest range that the file has for one of the names; lines are NAME:FIRST:COUNT."""
    with file.open("rb") as opened:
        lines = opened.read(MOST_BYTES).decode(errors="replace").splitlines()
    found: UidRange | None = None
    for line in lines:
        name, _, rest = line.strip().partition(":")
        first, _, count = rest.partition(":")
        if name not in names or not (first.isdecimal() and count.isdecimal()):
            continue
        # Bubblewrap writes ids as signed numbers.
        size = min(int(count), 2**31 - int(first))
        if int(first) >= 1000 and size >= 1 and (found is None or size > found.count):
            found = UidRange(int(first), size)
    return found


def _hidden_python() -> Path | None:
    """A part of the Python that only its owner may read; its uids are others."""
    interpreter = Interpreter.current()
    prefix = interpreter.prefix
    library = Path(os.__file__).resolve()
    for place in (prefix, interpreter.host_path, library, library.parent):
        mode = place.stat().st_mode
        wanted = stat.S_IROTH | (0 if place == library else stat.S_IXOTH)
        if mode & wanted != wanted:
            return place
    return None


def _lock_folder() -> str | None:
    """The same for every process of the user: two that lock elsewhere would take the same uids.

    So neither HOME, which callers change, nor the folder of a session, which goes when it ends.
    """
    own = os.getuid()
    places = [Path("/var/tmp", f"treadle-uids-{own}")]  # noqa: S108 - looked at before it is used
    state = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):
        places.insert(0, Path(state, "treadle", "uids"))
    else:
        with suppress(KeyError):
            places.insert(0, Path(pwd.getpwuid(own).pw_dir, ".local/state/treadle/uids"))
    for folder in places:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = folder.lstat()
        except OSError:
            continue
        if found.st_uid == own and stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022:
            return str(folder)
    return None

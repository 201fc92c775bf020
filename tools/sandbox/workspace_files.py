"""Files out of a workspace that code which is not trusted has filled."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from treadle.tools.sandbox.contract import SandboxLimits
from treadle.tools.sandbox.file_names import DEEPEST, WantedFiles

MOST_ENTRIES = 20_000
MOST_WORDS = 20
MOST_SHOWN = 200
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a pipe that nobody writes to would wait for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(slots=True)
class CollectedFiles:
    """What was brought back; left_out says in words what was not, and why."""

    files: dict[str, bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    size: int = 0

    def leave_out(self, name: str, why: str) -> None:
        """Say that a file stays behind; the words are for people, a thousand are no use."""
        if len(self.left_out) < MOST_WORDS:
            self.left_out.append(f"{ascii(name)[:MOST_SHOWN]} {why}")
        elif len(self.left_out) == MOST_WORDS:
            self.left_out.append("and others")


def collect(
    workspace: int, wanted: WantedFiles, limits: SandboxLimits, *, without: str = ""
) -> CollectedFiles:
    """Read the files that are `wanted` from an open folder whose users have all ended.

    without: the one that is not theirs.

    No link is followed and no path is looked up twice: every folder is opened from its parent's
    descriptor, and what is read is what was looked at. Regular files with a single name only.
    """
    found = CollectedFiles()
    if not wanted:
        return found
    for name, descriptor in _opened(workspace, wanted, found):
        try:
            if name != without:
                _take(name, descriptor, limits, found)
        finally:
            os.close(descriptor)
    return found


def read_small(workspace: int, name: str, most: int) -> bytes | None:
    """A regular file at the top of the workspace; None where there is none, or it is larger."""
    try:
        descriptor = os.open(name, _FILE, dir_fd=workspace)
    except OSError:
        return None
    try:
        if _why_not(os.fstat(descriptor)) is not None:
            return None
        content = _read(descriptor, most + 1)
        return content if len(content) <= most else None
    finally:
        os.close(descriptor)


def _opened(
    workspace: int, wanted: WantedFiles, found: CollectedFiles
) -> Iterator[tuple[str, int]]:
    """Descriptors of what is wanted, folder by folder; the caller closes them."""
    budget = MOST_ENTRIES
    pending: list[tuple[str, ...]] = [()]
    while pending:
        above = pending.pop()
        folder = _open_folder(workspace, above)
        if folder is None:
            continue
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in _at_most(entries, budget))
            budget -= len(names)
            for own in names:
                name = "/".join((*above, own))
                opened = _open_entry(folder, own, name, wanted, found)
                if opened is True and len(above) < DEEPEST:
                    pending.append((*above, own))
                elif opened is not True and opened is not None:
                    yield name, opened
        finally:
            os.close(folder)
        if budget <= 0:
            found.left_out.append(f"more than {MOST_ENTRIES} files and folders were left behind")
            return


def _open_folder(workspace: int, parts: tuple[str, ...]) -> int | None:
    folder = os.dup(workspace)
    for part in parts:
        above = folder
        try:
            folder = os.open(part, _FOLDER, dir_fd=above)
        except OSError:
            return None
        finally:
            os.close(above)
    return folder


def _at_most(entries: Iterator[os.DirEntry[str]], most: int) -> Iterator[os.DirEntry[str]]:
    for _, entry in zip(range(most), entries, strict=False):
        yield entry


def _open_entry(
    folder: int, own: str, name: str, wanted: WantedFiles, found: CollectedFiles
) -> int | bool | None:
    """True for a folder, a descriptor for a file that is wanted, None for what is neither."""
    try:
        kind = os.stat(own, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(kind.st_mode):
            return True
        if name not in wanted:
            return None
        # Whoever prints it, or hands it on line by line, must not be at the mercy of its name.
        why = _why_not(kind) if name.isprintable() else "has a name that is not plain text"
        if why is not None:
            found.leave_out(name, why)
            return None
        return os.open(own, _FILE, dir_fd=folder)
    except OSError as error:
        found.leave_out(name, f"could not be read ({error.strerror})")
    return None


def _why_not(kind: os.stat_result) -> str | None:
    if not stat.S_ISREG(kind.st_mode):
        return "is not a regular file"
    if kind.st_nlink != 1:
        return "has more than one name"
    return None


def _take(name: str, descriptor: int, limits: SandboxLimits, found: CollectedFiles) -> None:
    why = _why_not(os.fstat(descriptor))
    if why is None and len(found.files) >= limits.result_files:
        why = f"is one more than {limits.result_files} files"
    if why is None:
        left = limits.result_bytes - found.size
        content = _read(descriptor, left + 1)
        if len(content) <= left:
            found.files[name] = content
            found.size += len(content)
            return
        why = f"is too large: all files together may have {limits.result_bytes} bytes"
    found.leave_out(name, why)


def _read(descriptor: int, most: int) -> bytes:
    content = bytearray()
    while len(content) < most:
        part = os.read(descriptor, min(1 << 20, most - len(content)))
        if not part:
            break
        content += part
    return bytes(content)

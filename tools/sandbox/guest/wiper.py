"""After an execution: every writable place as it was before it."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import struct
from typing import Any, NamedTuple

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GET_FLAGS = 0x80086601  # FS_IOC_GETFLAGS
_MAX_DEPTH = 20
_PSEUDO = frozenset(
    {"proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "devtmpfs", "securityfs", "nsfs"}
)
_SYSV = ("/proc/sysvipc/shm", "/proc/sysvipc/msg", "/proc/sysvipc/sem")


class Seen(NamedTuple):
    """What was there before anything ran, and must be afterwards."""

    mode: int
    uid: int
    gid: int
    inode: int
    size: int
    attributes: tuple[Any, ...]
    flags: int


class Anomaly(Exception):
    """Something is not as it was and could not be made so. The whole boundary has to go."""


class Wiper:
    """The writable file systems as they were when it was made. Make it before anything runs."""

    def __init__(self) -> None:
        self._roots = _writable_roots()
        self._seen: dict[str, Seen] = {}
        for root in self._roots:
            folder = os.open(root, _FOLDER)
            try:
                self._remember(folder, root, os.fstat(folder).st_dev, 0)
            finally:
                os.close(folder)

    def _remember(self, folder: int, path: str, device: int, depth: int) -> None:
        self._seen[path] = _look(folder)
        if depth > _MAX_DEPTH:
            raise Anomaly("the boundary's own folders are nested too deeply")
        for name in os.listdir(folder):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            below = os.path.join(path, name)
            if found.st_dev != device:
                continue
            if not stat.S_ISDIR(found.st_mode):
                self._seen[below] = _plain(found)
                continue
            child = os.open(name, _FOLDER, dir_fd=folder)
            try:
                self._remember(child, below, device, depth + 1)
            finally:
                os.close(child)

    def wipe(self) -> None:
        """Remove what is new. Raises Anomaly or OSError for what else has changed."""
        missing = set(self._seen)
        for root in self._roots:
            folder = os.open(root, _FOLDER)
            try:
                self._restore(folder, root, os.fstat(folder).st_dev, missing)
            finally:
                os.close(folder)
        if missing:
            raise Anomaly("something that was there is gone")
        for table in _SYSV:
            if _lines(table) > 1:
                raise Anomaly("System V objects are left")

    def _restore(self, folder: int, path: str, device: int, missing: set[str]) -> None:
        if _look(folder) != self._seen[path]:
            raise Anomaly("a folder has changed")
        missing.discard(path)
        for name in os.listdir(folder):
            below = os.path.join(path, name)
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if below not in self._seen:
                if found.st_dev == device:
                    _remove(folder, name, found.st_mode)
            elif stat.S_ISDIR(found.st_mode):
                child = os.open(name, _FOLDER, dir_fd=folder)
                try:
                    self._restore(child, below, device, missing)
                finally:
                    os.close(child)
            elif _plain(found) != self._seen[below]:
                raise Anomaly("a file has changed")
            else:
                missing.discard(below)
        if [name for name in os.listdir(folder) if os.path.join(path, name) not in self._seen] and (
            not self._only_mounts(folder, path, device)
        ):
            raise Anomaly("something is left")

    def _only_mounts(self, folder: int, path: str, device: int) -> bool:
        return all(
            os.stat(name, dir_fd=folder, follow_symlinks=False).st_dev != device
            for name in os.listdir(folder)
            if os.path.join(path, name) not in self._seen
        )


def _remove(folder: int, name: str, mode: int) -> None:
    if not stat.S_ISDIR(mode):
        os.unlink(name, dir_fd=folder)
        return

    def permit(_function: Any, path: str, _error: Any) -> None:
        raise Anomaly("a folder cannot be removed")

    os.chmod(name, 0o700, dir_fd=folder)
    shutil.rmtree(name, dir_fd=folder, onerror=permit)


def _look(folder: int) -> Seen:
    found = os.fstat(folder)
    attributes: tuple[Any, ...] = ()
    try:
        attributes = tuple((key, os.getxattr(folder, key)) for key in sorted(os.listxattr(folder)))
    except OSError:
        attributes = ()
    return Seen(
        found.st_mode, found.st_uid, found.st_gid, found.st_ino, 0, attributes, _flags(folder)
    )


def _plain(found: os.stat_result) -> Seen:
    size = found.st_size if stat.S_ISREG(found.st_mode) else 0
    return Seen(
        found.st_mode, found.st_uid, found.st_gid, found.st_ino, size, (), found.st_mtime_ns
    )


def _flags(folder: int) -> int:
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(folder, _GET_FLAGS, struct.pack("l", 0)))
    except OSError:
        return 0
    return int(flags)


def _lines(path: str) -> int:
    try:
        with open(path) as table:
            return sum(1 for _ in table)
    except FileNotFoundError:
        return 0


def _writable_roots() -> list[str]:
    """Where the writable mounts are. Raises Anomaly for one that outlives this boundary."""
    roots = []
    with open("/proc/self/mountinfo") as mounts:
        for line in mounts:
            before, _, after = line.partition(" - ")
            point, options = before.split()[4:6]
            kind, _, whole = after.split()[:3]
            path = point.encode("ascii", "backslashreplace").decode("unicode_escape")
            if "rw" not in options.split(",") or "rw" not in whole.split(",") or kind in _PSEUDO:
                continue
            if not os.path.isdir(path):
                continue
            if kind != "tmpfs":
                raise Anomaly(f"{path} is writable and no temporary file system")
            roots.append(path)
    return roots

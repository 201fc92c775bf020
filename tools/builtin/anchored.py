"""Changing files in a folder that is held open, so that no link can lead elsewhere meanwhile."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.builtin.workspace import MAX_BYTES, Workspace

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class FileState:
    """What a file is: digest of its content, size in bytes, permissions, and which one it is.

    identity: inode, time of the last change and size; not the device, whose number a restart of
    the machine may change.
    """

    digest: str
    bytes: int
    mode: int
    identity: tuple[int, int, int]


def digest_of(data: bytes) -> str:
    """`sha256:` and the hex digest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextmanager
def coded(path: str) -> Iterator[None]:
    """What the system refuses to do with `path`, as a ToolError."""
    try:
        yield
    except FileNotFoundError:
        raise ToolError("file_not_found", f"there is no file '{path[:200]}'") from None
    except FileExistsError:
        raise ToolError(
            "file_exists",
            f"there is something at '{path[:200]}'; delete it first, or choose another name",
        ) from None
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise ToolError(
                "not_a_directory", f"'{path[:200]}': something on the way is not a folder"
            ) from None
        raise ToolError("file_not_written", f"'{path[:200]}': {error.strerror}") from None


@contextmanager
def opened_folder(workspace: Workspace, real: Path) -> Iterator[int]:
    """Hold open the folder that `real` lies in; no part of the way is a link. Raises OSError."""
    descriptor = os.open(workspace.root, _FOLDER)
    try:
        for part in real.parent.relative_to(workspace.root).parts:
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def make_folders(workspace: Workspace, real: Path) -> list[str]:
    """Make the folders that `real` lies in; those that were not there, outermost first."""
    made: list[str] = []
    missing = [real.parent, *real.parent.parents]
    try:
        for folder in reversed(missing[: missing.index(workspace.root)]):
            with opened_folder(workspace, folder) as parent, suppress(FileExistsError):
                os.mkdir(folder.name, dir_fd=parent)
                made.append(workspace.relative(folder))
                os.fsync(parent)
    except BaseException:
        remove_folders(workspace, made)
        raise
    return made


def remove_folders(workspace: Workspace, folders: Sequence[str]) -> None:
    """Remove those of `folders`, given outermost first, that are there and empty."""
    for folder in reversed(folders):
        real = workspace.root / folder
        try:
            with opened_folder(workspace, real) as parent:
                os.rmdir(real.name, dir_fd=parent)
                os.fsync(parent)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.ELOOP):
                return  # others use it, or something else has its place
            raise


def state_at(folder: int, name: str, path: str) -> FileState | None:
    """The state of a regular file; None when there is nothing.

    Raises ToolError: `is_a_link`, `is_a_directory`, `not_a_file`.
    """
    with _opened(folder, name, path) as descriptor:
        if descriptor is None:
            return None
        hashed = hashlib.sha256()
        while block := os.read(descriptor, 1 << 20):
            hashed.update(block)
        return _state(descriptor, hashed.hexdigest())


def content_at(folder: int, name: str, path: str) -> tuple[bytes, FileState] | None:
    """Content and state of a regular file; None when there is nothing.

    Raises `file_too_large`, and what `state_at` raises.
    """
    with _opened(folder, name, path) as descriptor:
        if descriptor is None:
            return None
        with os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ToolError(
                "file_too_large",
                f"'{path[:200]}' has more than {MAX_BYTES:,} bytes, too many to keep a copy of",
            )
        return data, _state(descriptor, hashlib.sha256(data).hexdigest())


def partial_name(call: str) -> str:
    """The hidden name of a file that is not yet whole; the same when the call is repeated."""
    return f".treadle-{call[-24:]}.partial"


def write_new(folder: int, name: str, data: bytes, mode: int | None) -> None:
    """Write a file that was not there, down to the disk.

    mode: its permissions; those of any new file by default. What a failure leaves is removed.
    """
    descriptor = os.open(name, _CREATE, 0o666 if mode is None else 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(name, dir_fd=folder)
        raise


def remove_if_there(folder: int, name: str) -> None:
    """Delete a file that may be gone already."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def rename_within(folder: int, name: str, new: str) -> None:
    """Put a file in the place of another, at once and for good."""
    os.rename(name, new, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


@contextmanager
def _opened(folder: int, name: str, path: str) -> Iterator[int | None]:
    try:
        kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        yield None
        return
    _check_kind(kind, path)
    descriptor = os.open(name, _READ, dir_fd=folder)
    try:
        _check_kind(os.fstat(descriptor).st_mode, path)  # it may be another one by now
        yield descriptor
    finally:
        os.close(descriptor)


def _check_kind(mode: int, path: str) -> None:
    if stat.S_ISLNK(mode):
        raise ToolError("is_a_link", f"'{path[:200]}' is a link; name the file that it leads to")
    if stat.S_ISDIR(mode):
        raise ToolError("is_a_directory", f"'{path[:200]}' is a folder; name a file in it")
    if not stat.S_ISREG(mode):
        raise ToolError("not_a_file", f"'{path[:200]}' is not a regular file")


def _state(descriptor: int, digest: str) -> FileState:
    status = os.fstat(descriptor)
    identity = (status.st_ino, status.st_mtime_ns, status.st_size)
    return FileState(f"sha256:{digest}", status.st_size, status.st_mode & 0o777, identity)

"""Files that only their owner may read, replaced in one step by one process at a time."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from treadle.core.errors import ConfigError

PATIENCE = 10.0
"""Seconds that a change waits for the one that another process makes."""

_PAUSE = 0.02


@contextmanager
def changing(path: Path, *, patience: float = PATIENCE) -> Iterator[None]:
    """What is read of the file at `path` in here stays so until it is replaced in here.

    The lock is the folder's, so that no file of its own is left behind; whoever only reads needs
    none. It ends with the process that holds it.

    Raises ConfigError (`state_unwritable`) where others keep it for `patience` seconds.
    """
    import fcntl  # only where there are POSIX files

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError("state_unwritable", f"{path}: {error.strerror or error}") from None
    try:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise ConfigError(
                        "state_unwritable", f"{path}: another process is changing it; try again"
                    ) from None
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(folder)


def write_private(path: Path, data: bytes) -> None:
    """Replace the file at `path`: whoever reads it sees the old one or the new one, never half.

    Raises ConfigError (`state_unwritable`).
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Created for the owner alone: a later chmod would leave a moment for others.
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()
    except OSError as error:
        raise ConfigError("state_unwritable", f"{path}: {error.strerror or error}") from None

"""Files that only their owner may read, replaced in one step."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from treadle.core.errors import ConfigError


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

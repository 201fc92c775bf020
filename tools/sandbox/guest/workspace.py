"""Files into a workspace that nothing else has touched yet."""

from __future__ import annotations

import base64
import contextlib
import os

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def put_file(root: int, path: str, data: str) -> None:
    """Write base64 `data` to `path` below the folder `root`; folders above it are made."""
    parts = path.split("/")
    folder = os.dup(root)
    try:
        for part in parts[:-1]:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=folder)
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        with os.fdopen(os.open(parts[-1], _NEW_FILE, 0o644, dir_fd=folder), "wb") as file:
            file.write(base64.b64decode(data))
    finally:
        os.close(folder)

"""What was typed in earlier sessions."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import FileHistory

MOST_BYTES = 1_000_000
LONGEST_ENTRY = 20_000
"""Characters; what is longer was pasted, and is not kept."""


class PrivateHistory(FileHistory):
    """A history file that only its user can read.

    A disk that fails later is no reason to lose a session: `failure` then says what happened, and
    entries are kept for this session only.

    Raises OSError when the file cannot be opened in the first place.
    """

    def __init__(self, path: Path) -> None:
        self.failure: OSError | None = None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Opened for writing to learn now whether it can be; created with the right mode at once,
        # so that there is no moment in which others can open it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600))
        path.chmod(0o600)
        if path.stat().st_size > MOST_BYTES:
            _keep_newest(path)
        super().__init__(path)

    def load_history_strings(self) -> Iterable[str]:
        """The entries of the file, newest first."""
        try:
            return list(super().load_history_strings())
        except OSError as error:
            self.failure = error
            return []

    def store_string(self, string: str) -> None:
        """Append an entry to the file."""
        if self.failure is not None or len(string) > LONGEST_ENTRY:
            return
        try:
            super().store_string(string)
        except OSError as error:
            self.failure = error


def _keep_newest(path: Path) -> None:
    """Cut the file to its newest half, at the start of an entry; whole at any moment."""
    text = path.read_bytes()[-MOST_BYTES // 2 :]
    start = text.find(b"\n#")
    kept = text[start:] if start >= 0 else b""
    # Created with mode 0600, next to the file, so that the replacement is atomic.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".history-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(kept)
    Path(name).replace(path)

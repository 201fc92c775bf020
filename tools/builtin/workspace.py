"""The folder that built-in tools see, and the promise that they see nothing else."""

from __future__ import annotations

import difflib
import os
import stat
from pathlib import Path
from typing import BinaryIO

from treadle.core.errors import ToolError

MAX_BYTES = 64 * 1024 * 1024
"""Bytes of a file that a tool reads."""


class Workspace:
    """A folder; every path is relative to it, and none leads out of it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def resolve(self, path: str) -> Path:
        """The real path behind `path`, which need not exist.

        Raises ToolError: `bad_path`, `path_outside_workspace`.
        """
        if not path or "\0" in path:
            raise ToolError("bad_path", f"{path[:200]!r} is not a path")
        try:
            real = (self.root / path).resolve()
        except (OSError, RuntimeError, UnicodeEncodeError) as error:
            raise ToolError("bad_path", f"'{path[:200]}': {error}") from None
        if not self.holds(real):
            raise ToolError(
                "path_outside_workspace", f"'{path[:200]}' lies outside of the workspace"
            )
        return real

    def holds(self, real: Path) -> bool:
        """Whether a resolved path lies inside."""
        return real == self.root or self.root in real.parents

    def relative(self, real: Path) -> str:
        """A path inside as tools give it out: POSIX, relative to the root."""
        return real.relative_to(self.root).as_posix()

    def open(self, path: str) -> BinaryIO:
        """Open a regular file for reading; what was opened is checked, not what was named.

        Raises ToolError: `file_not_found`, `is_a_directory`, `not_a_file`, `file_unreadable`,
        `path_outside_workspace`, `bad_path`.
        """
        real = self.resolve(path)
        try:
            # Non-blocking: opening a FIFO that nobody writes to would wait for ever. No link as
            # the last part: resolve() has followed them, so one there now was put there since.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(real, flags)
        except FileNotFoundError:
            raise self._not_found(path) from None
        except OSError as error:
            raise ToolError("file_unreadable", f"'{path[:200]}': {error.strerror}") from None
        try:
            kind = os.fstat(descriptor)
            if stat.S_ISDIR(kind.st_mode):
                raise ToolError("is_a_directory", f"'{path}' is a folder; name a file in it")
            if not stat.S_ISREG(kind.st_mode):
                raise ToolError("not_a_file", f"'{path}' is not a regular file")
            self._check_opened(descriptor, path)
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise

    def read_bytes(self, path: str, limit: int = MAX_BYTES) -> bytes:
        """The content of a file. Raises `file_too_large`, and what `open` raises."""
        with self.open(path) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise ToolError("file_too_large", f"'{path}' has more than {limit:,} bytes")
        return data

    def read_text(self, path: str) -> str:
        """The content of a text file. Raises `binary_file`, and what `read_bytes` raises."""
        data = self.read_bytes(path)
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ToolError(
                "binary_file", f"'{path}' is no UTF-8 text (byte {error.start})"
            ) from None
        if "\0" in text:
            raise ToolError("binary_file", f"'{path}' is a binary file")
        return text.replace("\r\n", "\n")

    def _check_opened(self, descriptor: int, path: str) -> None:
        """A folder on the way may have become a link between resolving and opening."""
        link = Path(f"/proc/self/fd/{descriptor}")
        if link.exists():
            inside = self.holds(Path(os.readlink(link)))
        else:
            now = self.resolve(path)
            inside = os.path.samestat(os.stat(now), os.fstat(descriptor))
        if not inside:
            raise ToolError("path_outside_workspace", f"'{path}' lies outside of the workspace")

    def _not_found(self, path: str) -> ToolError:
        name = Path(path).name
        parent = (self.root / path).parent
        known: list[str] = []
        if parent.is_dir() and self.holds(parent.resolve()):
            with os.scandir(parent) as entries:
                known = [entry.name for _, entry in zip(range(2_000), entries, strict=False)]
        close = difflib.get_close_matches(name, known, n=3)
        advice = f"; did you mean {', '.join(close)}?" if close else ""
        return ToolError("file_not_found", f"there is no file '{path[:200]}'{advice}")

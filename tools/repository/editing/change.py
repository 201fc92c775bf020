"""What a set of edits does to files: bytes before, bytes after."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file before and after; None where there is no file. mode: permissions, kept as found."""

    path: str
    before: bytes | None
    after: bytes | None
    mode: int | None


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Changes of several files that go together, by path; notes tell of selectors found again."""

    files: tuple[FileChange, ...]
    notes: tuple[str, ...] = ()

    @property
    def diff(self) -> str:
        """The whole as a unified diff that `git apply` takes; only binary files are left out."""
        return "".join(unified_diff(each) for each in self.files)


def unified_diff(change: FileChange) -> str:
    """One file's change in git's form of a unified diff."""
    old, new = _lines(change.before), _lines(change.after)
    header = f"diff --git {_quoted('a/', change.path)} {_quoted('b/', change.path)}\n"
    if change.before is None:
        header += "new file mode 100644\n"
    elif change.after is None:
        mode = "100755" if (change.mode or 0) & 0o100 else "100644"
        header += f"deleted file mode {mode}\n"
    if old is None or new is None:
        return f"{header}Binary files differ\n"
    names = (
        "/dev/null" if change.before is None else _quoted("a/", change.path),
        "/dev/null" if change.after is None else _quoted("b/", change.path),
    )
    body = difflib.unified_diff(old, new, *names, lineterm="\n")
    return header + "".join(_ended(line) for line in body)


def _lines(data: bytes | None) -> list[str] | None:
    if data is None:
        return []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        if "\0" in text:
            return None
    # Only a line feed ends a line of a diff; a carriage return is a character of it.
    return list(_split(text))


def _split(text: str) -> Iterator[str]:
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start : end + 1]
        start = end + 1
    if start < len(text):
        yield text[start:]


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _quoted(side: str, path: str) -> str:
    name = side + path
    if all(" " < character <= "~" and character not in '"\\' for character in name):
        return name
    escaped = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:03o}"
        for byte in name.encode("utf-8", "surrogateescape")
    )
    return f'"{escaped}"'

"""Files inside the workspace: list, read, search, measure."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from typing_extensions import TypedDict

from treadle.core.errors import ToolError
from treadle.tools.builtin.glob import find_files
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.tool import Tool

MAX_MATCHES = 5_000
_MAX_LINE = 2_000
_MAX_PATTERN = 300
_NESTED_QUANTIFIER = re.compile(r"[*+}]\)?[*+{]|\([^()]*[*+|}][^()]*\)\s*[*+{]")


class Match(TypedDict):
    """A line that was found; lines count from 1."""

    path: str
    line: int
    text: str


class FileStatistics(TypedDict):
    """Measures of a file; `modified` in ISO 8601, UTC."""

    path: str
    lines: int | None
    words: int | None
    characters: int | None
    bytes: int
    modified: str


def file_tools(workspace: Workspace) -> tuple[Tool, ...]:
    """The tools that look at files of `workspace`."""

    @tool(effect=Effect.READ)
    def list_files(pattern: str = "**/*", folder: str = ".") -> list[str]:
        """List files by pattern; paths relative to the workspace, sorted.

        Args:
            pattern: such as *.md (at any depth), docs/*.md, **/*.{csv,json}
            folder: where to look
        """
        return find_files(workspace, pattern, folder)

    @tool(effect=Effect.READ)
    def read_file(path: str, first_line: int = 1, max_lines: int | None = None) -> str:
        """Read a text file, or some of its lines.

        Args:
            path: relative to the workspace
            first_line: counts from 1
            max_lines: all to the end if left out
        """
        text = workspace.read_text(path)
        if first_line <= 1 and max_lines is None:
            return text
        if max_lines is not None and max_lines < 0:
            raise ToolError("invalid_arguments", "max_lines cannot be negative")
        start = max(first_line, 1) - 1
        lines = text.splitlines(keepends=True)
        return "".join(lines[start : None if max_lines is None else start + max_lines])

    @tool(effect=Effect.READ)
    def search_files(
        text: str,
        pattern: str = "**/*",
        folder: str = ".",
        regex: bool = False,
        ignore_case: bool = True,
    ) -> list[Match]:
        """Find the lines that contain a text, in all text files that match a pattern.

        Args:
            text: what to look for
            pattern: which files, such as **/*.py
            folder: where to look
            regex: whether text is a regular expression
            ignore_case: whether upper and lower case count as the same
        """
        wanted = _wanted(text, regex, ignore_case)
        found: list[Match] = []
        for path in find_files(workspace, pattern, folder):
            for number, line in enumerate(_lines_of(workspace, path), start=1):
                if wanted.search(line[:_MAX_LINE]):
                    found.append({"path": path, "line": number, "text": line[:_MAX_LINE]})
            if len(found) > MAX_MATCHES:
                raise ToolError(
                    "too_many_matches",
                    f"more than {MAX_MATCHES:,} lines match; look for something rarer",
                )
        return found

    @tool(effect=Effect.READ)
    def file_statistics(path: str) -> FileStatistics:
        """Count the lines, words, characters and bytes of a file.

        For a binary file lines, words and characters are null.

        Args:
            path: relative to the workspace
        """
        return _statistics(workspace, path)

    return list_files, read_file, search_files, file_statistics


def _statistics(workspace: Workspace, path: str) -> FileStatistics:
    with workspace.open(path) as file:
        status = os.fstat(file.fileno())
    try:
        text = workspace.read_text(path)
    except ToolError as error:
        if error.code != "binary_file":
            raise
        text = None
    return {
        "path": workspace.relative(workspace.resolve(path)),
        "lines": None if text is None else _count_lines(text),
        "words": None if text is None else len(text.split()),
        "characters": None if text is None else len(text),
        "bytes": status.st_size,
        "modified": datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds"),
    }


def _count_lines(text: str) -> int:
    """As many as an editor shows: an unterminated last line counts."""
    return text.count("\n") + (bool(text) and not text.endswith("\n"))


def _lines_of(workspace: Workspace, path: str) -> list[str]:
    try:
        return workspace.read_text(path).splitlines()
    except ToolError as error:
        if error.code in ("binary_file", "file_too_large", "file_not_found"):
            return []  # not a text to search, or gone since it was listed
        raise


def _wanted(text: str, regex: bool, ignore_case: bool) -> re.Pattern[str]:
    if not text:
        raise ToolError("invalid_arguments", "there is nothing to search for")
    flags = re.IGNORECASE if ignore_case else 0
    if not regex:
        return re.compile(re.escape(text), flags)
    # A thread cannot be stopped: an expression that may take exponential time is refused.
    if len(text) > _MAX_PATTERN or _NESTED_QUANTIFIER.search(text) or re.search(r"\\\d", text):
        raise ToolError(
            "bad_pattern",
            "the expression is too complicated: no nested repetitions, no backreferences",
        )
    try:
        return re.compile(text, flags)
    except (re.error, OverflowError) as error:
        raise ToolError("bad_pattern", f"'{text}' is not a regular expression: {error}") from None

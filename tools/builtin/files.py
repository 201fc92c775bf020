"""Files inside the workspace: list, read, search, measure."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from typing_extensions import TypedDict

from treadle.core.errors import ToolError
from treadle.core.threads import run_in_thread
from treadle.tools.builtin.glob import find_files
from treadle.tools.builtin.line_search import FindLines, line_search
from treadle.tools.builtin.lines import count_lines, split_lines
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.tool import Tool

MAX_MATCHES = 5_000
_MAX_LINE = 2_000
"""Characters of a found line that are given out; all of it is searched."""
_BATCH = 200
"""Lines that are searched at once; a search that was given up ends after as many."""


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
        lines = text.split("\n")
        end = len(lines) if max_lines is None else start + max_lines
        part = "\n".join(lines[start:end])
        return f"{part}\n" if start < end < len(lines) else part

    @tool(effect=Effect.READ)
    async def search_files(
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
            regex: whether text is a regular expression (RE2 syntax)
            ignore_case: whether upper and lower case count as the same
        """
        given_up = threading.Event()

        def search() -> list[Match]:
            with line_search(text, regex=regex, ignore_case=ignore_case) as find_lines:
                paths = find_files(workspace, pattern, folder)
                return _search(workspace, paths, find_lines, given_up)

        try:
            return await run_in_thread(search)
        except asyncio.CancelledError:
            given_up.set()
            raise

    @tool(effect=Effect.READ)
    def file_statistics(path: str) -> FileStatistics:
        """Count the lines, words, characters and bytes of a file.

        For a binary file, and for one of more than 64 MB, lines, words and characters are null.

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
        if error.code not in ("binary_file", "file_too_large"):
            raise
        text = None
    return {
        "path": workspace.relative(workspace.resolve(path)),
        "lines": None if text is None else count_lines(text),
        "words": None if text is None else len(text.split()),
        "characters": None if text is None else len(text),
        "bytes": status.st_size,
        "modified": datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds"),
    }


def _search(
    workspace: Workspace,
    paths: Sequence[str],
    find_lines: FindLines,
    given_up: threading.Event,
) -> list[Match]:
    found: list[Match] = []
    for path in paths:
        lines = _lines_of(workspace, path)
        for start in range(0, len(lines), _BATCH):
            if given_up.is_set():
                return []  # nobody waits for the result
            for index in find_lines(lines[start : start + _BATCH]):
                number = start + index
                found.append({"path": path, "line": number + 1, "text": lines[number][:_MAX_LINE]})
            if len(found) > MAX_MATCHES:
                raise ToolError(
                    "too_many_matches",
                    f"more than {MAX_MATCHES:,} lines match; look for something rarer",
                )
    return found


def _lines_of(workspace: Workspace, path: str) -> list[str]:
    try:
        return split_lines(workspace.read_text(path))
    except ToolError as error:
        if error.code in ("binary_file", "file_too_large", "file_not_found"):
            return []  # not a text to search, or gone since it was listed
        raise

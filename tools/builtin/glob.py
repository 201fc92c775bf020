"""Finding files by pattern inside a workspace."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.builtin.workspace import Workspace

MAX_FILES = 20_000
"""Files that one pattern may find."""

_MAX_PATTERN = 500
_MAX_BRACES = 64


def find_files(workspace: Workspace, pattern: str, folder: str) -> list[str]:
    """The files in `folder` whose path matches `pattern`, sorted, relative to the workspace.

    `*` and `?` match inside one name, `**` any folders, `{a,b}` either, `[ab]` one character.
    A pattern without `/` matches at every depth. Hidden files and folders are left out unless the
    pattern names them; linked folders are not followed, linked files only inside the workspace.

    Raises ToolError: `bad_pattern`, `file_not_found`, `not_a_directory`, `too_many_files`.
    """
    top = workspace.resolve(folder)
    if not top.exists():
        raise ToolError("file_not_found", f"there is no folder '{folder}'")
    if not top.is_dir():
        raise ToolError("not_a_directory", f"'{folder}' is not a folder")
    matches = _compile(pattern)
    hidden = any(part.startswith(".") for part in re.split(r"[/{,]", pattern))
    found: list[str] = []
    for path in _walk(workspace, top, hidden):
        if matches.fullmatch(path.relative_to(top).as_posix()):
            found.append(workspace.relative(path))
            if len(found) > MAX_FILES:
                raise ToolError(
                    "too_many_files",
                    f"more than {MAX_FILES:,} files match '{pattern}'; use a narrower pattern",
                )
    return sorted(found)


def _walk(workspace: Workspace, top: Path, hidden: bool) -> Iterator[Path]:
    for parent, folders, files in os.walk(top):
        folders[:] = [name for name in folders if hidden or not name.startswith(".")]
        for name in files:
            if name.startswith(".") and not hidden:
                continue
            path = Path(parent, name)
            if path.is_symlink() and not workspace.holds(path.resolve()):
                continue
            if path.is_file():
                yield path


def _compile(pattern: str) -> re.Pattern[str]:
    if not pattern or "\0" in pattern or len(pattern) > _MAX_PATTERN:
        raise ToolError("bad_pattern", f"{pattern[:60]!r} is not a pattern like '**/*.md'")
    parts = pattern.split("/")
    if pattern.startswith("/") or ".." in parts:
        raise ToolError("path_outside_workspace", f"'{pattern}' leads out of the workspace")
    while parts and parts[0] == ".":
        parts.pop(0)
    choices = _expand("/".join(parts))
    if "/" not in pattern:
        choices = [f"**/{choice}" for choice in choices]
    return re.compile("|".join(_translate(choice) for choice in choices))


def _expand(pattern: str) -> list[str]:
    """`{a,b}` becomes two patterns; nesting is not supported and stands for itself."""
    pending, done = [pattern], []
    while pending:
        each = pending.pop()
        braces = re.search(r"\{([^{}]*)\}", each)
        if braces is None:
            done.append(each)
            continue
        pending += [
            each[: braces.start()] + one + each[braces.end() :] for one in braces[1].split(",")
        ]
        if len(pending) + len(done) > _MAX_BRACES:
            raise ToolError("bad_pattern", f"'{pattern[:60]}' stands for too many patterns")
    return done


def _translate(pattern: str) -> str:
    # Adjacent stars are merged, and each star is followed by what it must stop at, so that
    # matching takes time in proportion to the path.
    pattern = re.sub(r"(\*\*/)+", "**/", re.sub(r"\*{3,}", "**", pattern))
    out: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern.startswith("**/", position):
            out.append("(?:[^/]+/)*")
            position += 3
        elif pattern.startswith("**", position):
            out.append(".*")
            position += 2
        elif pattern[position] == "*":
            out.append("[^/]*")
            position += 1
        elif pattern[position] == "?":
            out.append("[^/]")
            position += 1
        elif (one := re.match(r"\[(!?)([^\[\]/]+)\]", pattern[position:])) is not None:
            characters = re.sub(r"([\\\]\[^&~|])", r"\\\1", one[2])
            out.append(f"[{'^' if one[1] else ''}{characters}]")
            position += one.end()
        else:
            out.append(re.escape(pattern[position]))
            position += 1
    return "".join(out)

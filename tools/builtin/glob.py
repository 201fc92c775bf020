"""Finding files by pattern inside a workspace."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from treadle.core.errors import ToolError
from treadle.tools.builtin.workspace import Workspace

MAX_FILES = 20_000
"""Files that one pattern may find."""

MAX_LOOKED_AT = 1_000_000
"""Files and folders that are looked at for them."""

_Choice: TypeAlias = "list[re.Pattern[str] | None]"
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
    choices = _compile(pattern)
    hidden = any(_names_hidden(part) for part in re.split(r"[/{,]", pattern))
    found: list[str] = []
    for path in _walk(workspace, top, hidden):
        names = path.relative_to(top).parts
        if any(_matches(choice, names) for choice in choices):
            found.append(workspace.relative(path))
            if len(found) > MAX_FILES:
                raise ToolError(
                    "too_many_files",
                    f"more than {MAX_FILES:,} files match '{pattern}'; use a narrower pattern",
                )
    return sorted(found)


def _walk(workspace: Workspace, top: Path, hidden: bool) -> Iterator[Path]:
    looked_at = 0
    for parent, folders, files in os.walk(top):
        looked_at += len(folders) + len(files)
        if looked_at > MAX_LOOKED_AT:
            raise ToolError(
                "too_many_files",
                f"there are more than {MAX_LOOKED_AT:,} files here; look in a smaller folder",
            )
        folders[:] = [name for name in folders if hidden or not name.startswith(".")]
        for name in files:
            if name.startswith(".") and not hidden:
                continue
            path = Path(parent, name)
            if _is_file_inside(workspace, path):
                yield path


def _is_file_inside(workspace: Workspace, path: Path) -> bool:
    try:
        if path.is_symlink() and not workspace.holds(path.resolve()):
            return False
        return path.is_file()
    except (OSError, RuntimeError):
        return False  # a link to itself, or gone since it was listed


def _compile(pattern: str) -> list[_Choice]:
    if not pattern or "\0" in pattern or len(pattern) > _MAX_PATTERN:
        raise ToolError("bad_pattern", f"{pattern[:60]!r} is not a pattern like '**/*.md'")
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise ToolError("path_outside_workspace", f"'{pattern}' leads out of the workspace")
    return [_parts(choice, "/" in pattern) for choice in _expand(pattern)]


def _parts(pattern: str, anchored: bool) -> _Choice:
    """One expression per name, None for any folders."""
    names = [name for name in pattern.split("/") if name not in ("", ".")]
    parts: list[re.Pattern[str] | None] = [] if anchored else [None]
    for name in names:
        if name.startswith("**"):
            parts.append(None)
            name = "*" + name.lstrip("*")
            if name == "*" and len(parts) < len(names):
                continue
        visible = "" if _names_hidden(name) else r"(?!\.)"
        try:
            parts.append(re.compile(visible + _translate(name), re.DOTALL))
        except re.error:
            raise ToolError("bad_pattern", f"'{name}' is not a pattern for a name") from None
    return [part for part, before in zip(parts, [True, *parts], strict=False) if part or before]


def _matches(choice: _Choice, names: Sequence[str]) -> bool:
    """Whether the names of a path fit; in time of their number times that of the parts."""
    reached = {0}
    for part in choice:
        if part is None:
            first = min(reached)
            hidden = (at for at in range(first, len(names)) if names[at].startswith("."))
            # Any folders, but hidden ones only where a part names them; the last name is no folder.
            reached = set(range(first, min(next(hidden, len(names)), len(names)) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(names) and part.fullmatch(names[at])}
        if not reached:
            return False
    return len(names) in reached


def _names_hidden(part: str) -> bool:
    return part.startswith(".") and part != "."


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


def _translate(name: str) -> str:
    """The expression for one name.

    Each star takes the least that lets the fixed part after it fit, and never tries again (the
    group is atomic): the leftmost fit leaves most to the rest, so no match is lost, and no
    pattern takes more than quadratic time.
    """
    pieces = [_literal(piece) for piece in re.split(r"\*+", name)]
    first, *rest = pieces
    if not rest:
        return first
    return first + "".join(f"(?>.*?{piece})" for piece in rest[:-1]) + f".*{rest[-1]}"


def _literal(piece: str) -> str:
    out: list[str] = []
    position = 0
    while position < len(piece):
        if piece[position] == "?":
            out.append(".")
        elif (one := re.match(r"\[(!?)([^\[\]]+)\]", piece[position:])) is not None:
            characters = re.sub(r"([\\\]\[^&~|])", r"\\\1", one[2])
            out.append(f"[{'^' if one[1] else ''}{characters}]")
            position += one.end() - 1
        else:
            out.append(re.escape(piece[position]))
        position += 1
    return "".join(out)

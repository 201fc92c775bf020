"""Where in the workspace a file may be written."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from treadle.core.errors import ToolError
from treadle.tools.builtin.workspace import Workspace


def writable_place(workspace: Workspace, path: str, private: Path) -> Path:
    """The path behind `path`, which need not exist; its last part is not followed if a link.

    Hidden files count like others, since `path` names them; but not `.git`, where a file can be
    a program that git runs and a change cannot be undone alone, nor `private`, Treadle's own.

    Raises ToolError: `bad_path`, `path_outside_workspace`, `is_a_directory`, `path_protected`.
    """
    if not path or "\0" in path:
        raise ToolError("bad_path", f"{path[:200]!r} is not a path")
    pure = PurePosixPath(path)
    if pure.name == "..":
        real = workspace.resolve(path)
    else:
        real = workspace.resolve(str(pure.parent)) / pure.name
    if real == workspace.root or path.endswith("/") or not pure.name or pure.name == "..":
        raise ToolError("is_a_directory", f"'{path[:200]}' is a folder; name a file in it")
    inside = real.relative_to(workspace.root).parts
    if any(part.casefold() == ".git" for part in inside):
        raise ToolError("path_protected", f"'{path[:200]}': tools do not write inside .git")
    if real == private or private in real.parents:
        raise ToolError("path_protected", f"'{path[:200]}' is where Treadle keeps its own files")
    return real

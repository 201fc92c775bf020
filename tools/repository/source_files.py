"""The Python files of a workspace: which there are, and which changed since last time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.builtin.workspace import Workspace

MAX_FILES = 20_000
"""Python files of one workspace that are looked at; more are refused."""

SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist"})
"""Folders that hold no source of the repository's own."""

Stamp = tuple[int, int, int]
"""Inode, time of the last change in nanoseconds and bytes: another one is another content."""


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The Python files of a workspace by path, each with its stamp.

    packages: folders that are reached through a link inside of the workspace, as (path of the
    link, path it leads to): their files have the import names of both.
    """

    stamps: dict[str, Stamp]
    packages: tuple[tuple[str, str], ...]


def source_files(workspace: Workspace) -> SourceFiles:
    """Find the Python files of `workspace`, without following a link.

    Hidden folders, virtual environments and what tools install or build are left out.

    Raises ToolError (`too_many_files`).
    """
    stamps: dict[str, Stamp] = {}
    links: list[tuple[str, str]] = []
    folders = [workspace.root]
    while folders:
        for entry in _entries(folders.pop()):
            if entry.is_symlink():
                target = Path(entry.path).resolve()
                if target.is_dir() and workspace.holds(target):
                    path = Path(entry.path).relative_to(workspace.root).as_posix()
                    links.append((path, workspace.relative(target)))
            elif entry.is_dir(follow_symlinks=False):
                if not _is_skipped(entry):
                    folders.append(Path(entry.path))
            elif entry.name.endswith((".py", ".pyi")) and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                path = Path(entry.path).relative_to(workspace.root).as_posix()
                stamps[path] = (status.st_ino, status.st_mtime_ns, status.st_size)
                if len(stamps) > MAX_FILES:
                    raise ToolError(
                        "too_many_files",
                        f"there are more than {MAX_FILES:,} Python files; name a smaller workspace",
                    )
    return SourceFiles(dict(sorted(stamps.items())), tuple(sorted(links)))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return  # gone meanwhile, or not ours to read
    for entry in found:
        # A name that is no UTF-8 cannot be given out, nor named by a model.
        if not any("\ud800" <= character <= "\udfff" for character in entry.name):
            yield entry


def _is_skipped(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name in SKIPPED:
        return True
    return os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))

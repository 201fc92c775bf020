"""A project's files, and the packages that its tests import, as what a sandbox is given."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.source_files import SKIPPED

MOST_FILES = 3_000
MOST_BYTES = 32 * 1024 * 1024

_HIDDEN = frozenset({".git", ".hg", ".svn", ".venv", ".tox", ".nox", ".treadle"})
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def project_files(workspace: Workspace) -> dict[str, bytes]:
    """The regular files of `workspace` by relative path; no link is followed.

    Left out: what version control keeps (with it every hook), virtual environments, caches, what
    is built, links, and names that are no UTF-8.

    Raises ToolError (`repository_too_large`), and what reading a file raises.
    """
    found: dict[str, bytes] = {}
    size = 0
    for path in _paths(workspace.root):
        name = path.relative_to(workspace.root).as_posix()
        data = workspace.read_bytes(name, MOST_BYTES)
        size += len(data)
        if len(found) == MOST_FILES or size > MOST_BYTES:
            raise ToolError(
                "repository_too_large",
                f"a copy for the sandbox takes up to {MOST_FILES:,} files of {MOST_BYTES:,} bytes "
                "in all; name a smaller folder",
            )
        found[name] = data
    return found


def package_files(names: tuple[str, ...]) -> dict[str, bytes]:
    """The files of installed distributions and of what they require, by path below a folder.

    Raises ToolError (`package_not_installed`).
    """
    found: dict[str, bytes] = {}
    wanted, seen = list(names), set[str]()
    while wanted:
        name = wanted.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in seen:
            continue
        seen.add(key)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if name in names:
                raise ToolError(
                    "package_not_installed",
                    f"'{name}' is not installed beside Treadle: pip install {name}",
                ) from None
            continue  # for another platform, or another version of Python
        wanted += [each for line in distribution.requires or () if (each := _required(line))]
        for file in distribution.files or ():
            if ".." in file.parts or file.is_absolute() or "__pycache__" in file.parts:
                continue
            real = Path(str(file.locate()))
            if real.is_file():
                found[file.as_posix()] = real.read_bytes()
    return found


def _required(line: str) -> str:
    """The name in a requirement; empty where only an extra asks for it."""
    matched = _NAME.match(line.strip())
    return "" if matched is None or "extra ==" in line else matched.group()


def _paths(root: Path) -> Iterator[Path]:
    folders = [root]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                every = sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, PermissionError, NotADirectoryError):
            continue  # gone meanwhile, or not ours to read
        for entry in every:
            if any("\ud800" <= character <= "\udfff" for character in entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                if not _is_left_out(entry):
                    folders.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _is_left_out(entry: os.DirEntry[str]) -> bool:
    if entry.name in SKIPPED - {"build", "dist"} or entry.name in _HIDDEN:
        return True
    return entry.name.endswith("_cache") or os.path.exists(f"{entry.path}/pyvenv.cfg")

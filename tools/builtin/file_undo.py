"""Taking back what was written, moved or deleted, unless the file was changed since."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.builtin.anchored import (
    FileState,
    coded,
    make_folders,
    opened_folder,
    partial_name,
    remove_folders,
    remove_if_there,
    rename_within,
    write_new,
)
from treadle.tools.builtin.file_changes import FileChanges, move_file, workspace_id
from treadle.tools.builtin.file_results import DELETED, MOVED, WRITTEN
from treadle.tools.builtin.kept import KeptFiles
from treadle.tools.builtin.workspace import Workspace

DoneT = TypeVar("DoneT")


class FileUndo:
    """The other way of FileChanges. Undoing twice is undoing once.

    Raises ToolError: `undo_conflict` when a file is neither as the call left it nor as it found
    it, `copy_gone` when the copy is no longer kept, and what FileChanges raises.
    """

    def __init__(self, workspace: Workspace, kept: KeptFiles, changes: FileChanges) -> None:
        self._workspace = workspace
        self._kept = kept
        self._changes = changes

    def write(self, result: JsonValue) -> None:
        """Put back what a write replaced; without anything, delete what it wrote."""
        done = _valid(WRITTEN, result)
        path, replaced = done["path"], done["replaced"]
        real = self._place(path, done["call"])
        with self._kept.locked(real), coded(path):
            now = self._state(real, path)
            found = None if now is None else now.digest
            if found not in (replaced, done["digest"]):
                raise _conflict(path)
            # From here on, the same call would be another one.
            self._kept.forget(done["call"])
            if found != replaced and replaced is None:
                _unlink(self._workspace, real)
            elif found != replaced and replaced is not None:
                self._put(real, replaced, done["mode"], done["call"])
            remove_folders(self._workspace, done["folders"])

    def delete(self, result: JsonValue) -> None:
        """Put back a file that was deleted."""
        done = _valid(DELETED, result)
        path = done["path"]
        real = self._place(path, done["call"])
        with self._kept.locked(real), coded(path):
            now = self._state(real, path)
            if now is not None and now.digest != done["digest"]:
                raise _conflict(path)
            self._kept.forget(done["call"])
            if now is None:
                self._put(real, done["digest"], done["mode"], done["call"])

    def move(self, result: JsonValue) -> None:
        """Move a file back."""
        done = _valid(MOVED, result)
        old = self._place(done["source"], done["call"])
        new = self._place(done["destination"], done["call"])
        with self._kept.locked(old, new), coded(done["source"]):
            before = self._state(old, done["source"])
            after = self._state(new, done["destination"])
            halfway = before is not None and after is not None and os.path.samefile(old, new)
            one = before if after is None else after
            if not halfway and (before is not None) == (after is not None):
                raise _conflict(done["source"])
            if one is None or one.digest != done["digest"]:
                raise _conflict(done["destination"])
            self._kept.forget(done["call"])
            if halfway:
                _unlink(self._workspace, new)
            elif after is not None:
                make_folders(self._workspace, old)
                move_file(self._workspace, new, old)
            remove_folders(self._workspace, done["folders"])

    def _place(self, path: str, call: str) -> Path:
        if not call.startswith(workspace_id(self._workspace)):
            raise ToolError(
                "undo_conflict",
                f"'{path}' was changed in another workspace, not in {self._workspace.root}",
            )
        return self._changes.place(path)

    def _state(self, real: Path, path: str) -> FileState | None:
        try:
            return self._changes.state(real, path)
        except ToolError:
            raise _conflict(path) from None  # a folder or a link has its place now

    def _put(self, real: Path, digest: str, mode: int | None, call: str) -> None:
        data, partial = self._kept.load(digest), partial_name(call)
        make_folders(self._workspace, real)
        with opened_folder(self._workspace, real) as folder:
            remove_if_there(folder, partial)
            write_new(folder, partial, data, mode)
            try:
                rename_within(folder, partial, real.name)
            finally:
                remove_if_there(folder, partial)


def _unlink(workspace: Workspace, real: Path) -> None:
    with opened_folder(workspace, real) as folder:
        os.unlink(real.name, dir_fd=folder)
        os.fsync(folder)


def _valid(expected: TypeAdapter[DoneT], result: JsonValue) -> DoneT:
    try:
        return expected.validate_python(result)
    except ValidationError:
        raise ToolError("undo_failed", "this is no result of a call of this tool") from None


def _conflict(path: str) -> ToolError:
    return ToolError(
        "undo_conflict", f"'{path}' was changed since; look at it and undo this one by hand"
    )

"""Changing files inside the workspace: write, move, delete; each can be undone."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.tools.builtin.file_changes import FileChanges
from treadle.tools.builtin.file_results import Deleted, Moved, Written
from treadle.tools.builtin.file_undo import FileUndo
from treadle.tools.builtin.kept import KeptFiles
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.tool import Tool


def file_writing_tools(workspace: Workspace, kept: KeptFiles) -> tuple[Tool, ...]:
    """The tools that change files of `workspace`.

    They are idempotent by key and have no `reconcile`: whether a file with this very text is from
    this call, and what it replaced, only the record under the call's key tells for certain.
    """
    changes = FileChanges(workspace, kept)
    undo = FileUndo(workspace, kept, changes)

    def undo_write(result: JsonValue, path: str, text: str, append: bool = False) -> None:
        undo.write(result)

    def undo_move(result: JsonValue, source: str, destination: str) -> None:
        undo.move(result)

    def undo_delete(result: JsonValue, path: str) -> None:
        undo.delete(result)

    @tool(effect=Effect.WRITE, undo=undo_write, idempotent=True)
    def write_file(path: str, text: str, append: bool = False, *, idempotency_key: str) -> Written:
        """Write a text file, in place of what it held or at its end; makes missing folders.

        Args:
            path: relative to the workspace
            text: what to write, as UTF-8
            append: whether to add it at the end
        """
        return changes.write(path, text, append, idempotency_key)

    @tool(effect=Effect.WRITE, undo=undo_move, idempotent=True)
    def move_file(source: str, destination: str, *, idempotency_key: str) -> Moved:
        """Move or rename a file; never onto another one. Makes missing folders.

        Args:
            source: relative to the workspace
            destination: the file's new path, relative to the workspace
        """
        return changes.move(source, destination, idempotency_key)

    @tool(effect=Effect.WRITE, undo=undo_delete, idempotent=True)
    def delete_file(path: str, *, idempotency_key: str) -> Deleted:
        """Delete a file.

        Args:
            path: relative to the workspace
        """
        return changes.delete(path, idempotency_key)

    return write_file, move_file, delete_file

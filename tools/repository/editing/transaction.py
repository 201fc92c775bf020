"""Applying a change set: all of it or nothing, and all of it back again.

What is taken away is kept first. Every new content is then written beside its place, the journal
says what is about to happen, and renames and deletions follow. Whoever finds the journal of a
transaction that never ended puts back what it had changed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from treadle.core.errors import ToolError
from treadle.tools.builtin.anchored import (
    coded,
    content_at,
    digest_of,
    make_folders,
    opened_folder,
    partial_name,
    remove_folders,
    remove_if_there,
    rename_within,
    state_at,
    write_new,
)
from treadle.tools.builtin.file_changes import FileChanges, call_id, workspace_id
from treadle.tools.builtin.kept import CallRecord, KeptFiles, arguments_digest
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.editing.applied import APPLIED, Applied, AppliedFile
from treadle.tools.repository.editing.previews import Planned, PlannedFile

Check = Callable[[], None]
"""Called when every file is in its new place; what it raises takes all of it back."""


class Transactions:
    """Applies change sets to a workspace; one at a time, over all processes of this machine.

    step: told of each file just before it changes, for tests that interrupt.
    """

    def __init__(
        self, workspace: Workspace, kept: KeptFiles, step: Callable[[str], None] | None = None
    ) -> None:
        self._workspace, self._kept = workspace, kept
        self._places = FileChanges(workspace, kept)
        self._step = step or (lambda path: None)
        self._journal = workspace_id(workspace) + "e" * 16
        self._lock = workspace.root / ".treadle-transaction"  # never made: only its name is locked

    @property
    def places(self) -> FileChanges:
        """Where files may be written."""
        return self._places

    def has(self, planned: Planned, key: str) -> bool:
        """Whether these changes were made under this key. Raises ToolError (`key_reused`)."""
        call = call_id(self._workspace, key)
        return self._kept.recall(call, _arguments(planned)) is not None

    def contents(self, planned: Planned) -> dict[str, bytes]:
        """The files of a change set as they are, by digest. Raises ToolError (`files_changed`)."""
        return {digest_of(found[0]): found[0] for found in self._found(planned).values()}

    def apply(self, planned: Planned, key: str, check: Check | None = None) -> Applied:
        """Make the changes; a second time with the same key only tells what the first did.

        Raises ToolError: `files_changed` when a file is not as it was at the preview, what
        `check` raises, and the codes of writing files; then nothing has changed.
        """
        call = call_id(self._workspace, key)
        arguments = _arguments(planned)
        with self._kept.locked(self._lock):
            self._recover()
            record = self._kept.recall(call, arguments)
            if record is not None:
                return APPLIED.validate_python(record.result)
            before = self._found(planned)
            for data, _ in before.values():
                self._kept.keep(data)
            modes = {path: mode for path, (_, mode) in before.items()}
            with self._prepared(planned, call) as folders:
                files = [_applied(each, modes) for each in planned.files]
                result = Applied(files=files, folders=folders, call=call)
                journal = CallRecord(arguments="transaction", result={**result})
                self._kept.remember(self._journal, journal)
                try:
                    self._change(result)
                    if check is not None:
                        check()
                    self._kept.remember(call, CallRecord(arguments=arguments, result={**result}))
                except BaseException:
                    self._back(result)
                    self._kept.forget(self._journal)
                    raise
            self._kept.forget(self._journal)
            return result

    def undo(self, applied: Applied) -> None:
        """Put back what a transaction changed, byte for byte.

        Raises ToolError (`undo_conflict`) when a file was changed since; then nothing is put back.
        """
        if not applied["call"].startswith(workspace_id(self._workspace)):
            raise ToolError("undo_conflict", "these changes were made in another workspace")
        with self._kept.locked(self._lock):
            self._recover()
            for each in applied["files"]:
                now = self._digest(each["path"])
                if now not in (each["after"], each["before"]):
                    raise ToolError(
                        "undo_conflict", f"'{each['path']}' was changed since; undo it by hand"
                    )
            self._kept.remember(
                self._journal, CallRecord(arguments="transaction", result={**applied})
            )
            self._kept.forget(applied["call"])
            self._back(applied)
            self._kept.forget(self._journal)

    def recover(self) -> list[str]:
        """Take back a transaction that a crash interrupted; the files that were put back.

        Raises ToolError (`undo_conflict`) when such a file was changed since.
        """
        with self._kept.locked(self._lock):
            return self._recover()

    def _recover(self) -> list[str]:
        journal = self._kept.recall(self._journal, "transaction")
        if journal is None:
            return []
        try:
            applied = APPLIED.validate_python(journal.result)
        except ValidationError:
            raise ToolError("copy_gone", "the journal of a transaction cannot be read") from None
        # The call's own record is the last thing that it writes.
        back = [] if self._has_record(applied["call"]) else self._back(applied)
        self._kept.forget(self._journal)
        return back

    def _has_record(self, call: str) -> bool:
        try:
            return self._kept.recall(call, "") is not None
        except ToolError as error:
            if error.code == "key_reused":
                return True  # it is there; its arguments do not matter
            raise

    def _found(self, planned: Planned) -> dict[str, tuple[bytes, int]]:
        """Content and permissions of the files that are there, which must be as planned."""
        every: dict[str, tuple[bytes, int]] = {}
        for each in planned.files:
            real = self._places.place(each.path)
            with coded(each.path):
                found = None
                with suppress(FileNotFoundError), opened_folder(self._workspace, real) as folder:
                    found = content_at(folder, real.name, each.path)
            digest = None if found is None else digest_of(found[0])
            if digest != each.before or (found is not None and found[1].mode != each.mode):
                raise _changed(each.path)
            if found is not None:
                every[each.path] = (found[0], found[1].mode)
        return every

    @contextmanager
    def _prepared(self, planned: Planned, call: str) -> Iterator[list[str]]:
        """New contents beside their places, and folders for them, which go again on failure."""
        folders: list[str] = []
        written: list[tuple[Path, str]] = []
        try:
            for each in planned.files:
                if each.after is None:
                    continue
                data = self._kept.load(each.after)
                real, name = self._places.place(each.path), _beside(call, each.path)
                with coded(each.path):
                    folders += make_folders(self._workspace, real)
                    with opened_folder(self._workspace, real) as folder:
                        remove_if_there(folder, name)
                        written.append((real, name))
                        write_new(folder, name, data, each.mode)
            yield folders
        except BaseException:
            self._clear(written)
            remove_folders(self._workspace, folders)
            raise

    def _clear(self, written: list[tuple[Path, str]]) -> None:
        for real, name in written:
            with suppress(FileNotFoundError), opened_folder(self._workspace, real) as folder:
                remove_if_there(folder, name)

    def _change(self, applied: Applied) -> None:
        for each in applied["files"]:
            path = each["path"]
            real = self._places.place(path)
            self._step(path)
            with coded(path), opened_folder(self._workspace, real) as folder:
                # Again, at the last moment: an editor may have saved meanwhile.
                state = state_at(folder, real.name, path)
                if (None if state is None else state.digest) != each["before"]:
                    raise _changed(path)
                if each["after"] is None:
                    os.unlink(real.name, dir_fd=folder)
                    os.fsync(folder)
                else:
                    rename_within(folder, _beside(applied["call"], path), real.name)

    def _back(self, applied: Applied) -> list[str]:
        """Put every file back that has its new content; those that somebody changed stay."""
        changed: list[str] = []
        back: list[str] = []
        for each in reversed(applied["files"]):
            path, real = each["path"], self._places.place(each["path"])
            now = self._digest(path)
            with suppress(FileNotFoundError), opened_folder(self._workspace, real) as folder:
                remove_if_there(folder, _beside(applied["call"], path))
            if now == each["before"]:
                continue
            if now != each["after"]:
                changed.append(path)
                continue
            self._put_back(real, each, applied["call"])
            back.append(path)
        remove_folders(self._workspace, applied["folders"])
        if changed:
            raise ToolError(
                "undo_conflict",
                f"{', '.join(changed[:5])} changed while a transaction was under way; the copies "
                f"of before are in {self._kept.folder / 'copies'}",
            )
        return back

    def _put_back(self, real: Path, each: AppliedFile, call: str) -> None:
        with coded(each["path"]):
            if each["before"] is not None:
                make_folders(self._workspace, real)
            with opened_folder(self._workspace, real) as folder:
                if each["before"] is None:
                    os.unlink(real.name, dir_fd=folder)
                    os.fsync(folder)
                    return
                name = _beside(call, each["path"])
                remove_if_there(folder, name)
                write_new(folder, name, self._kept.load(each["before"]), each["mode"])
                rename_within(folder, name, real.name)

    def _digest(self, path: str) -> str | None:
        try:
            state = self._places.state(self._places.place(path), path)
        except ToolError:
            return "not a file"  # a folder or a link has its place now
        return None if state is None else state.digest


def _applied(each: PlannedFile, modes: dict[str, int]) -> AppliedFile:
    return AppliedFile(
        path=each.path, before=each.before, after=each.after, mode=modes.get(each.path)
    )


def _arguments(planned: Planned) -> str:
    return arguments_digest({"apply": planned.model_dump(mode="json")})


def _changed(path: str) -> ToolError:
    return ToolError("files_changed", f"'{path}' changed since the preview; preview again")


def _beside(call: str, path: str) -> str:
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()
    return partial_name(hashlib.sha256(f"{call}{digest}".encode()).hexdigest())

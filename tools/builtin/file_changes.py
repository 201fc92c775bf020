"""Writing, moving and deleting a file: at most once per idempotency key, never half.

Each change goes the same way. What it takes away is kept; a record of the call is on the disk;
then one rename or unlink makes the change. After a crash the record tells what would have gone
away or come, and the file system whether it did: the same key then gives the same result.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.builtin.anchored import (
    FileState,
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
from treadle.tools.builtin.file_results import (
    DELETED,
    MOVED,
    WRITTEN,
    Deleted,
    Moved,
    Written,
)
from treadle.tools.builtin.kept import CallRecord, KeptFiles, arguments_digest
from treadle.tools.builtin.places import writable_place
from treadle.tools.builtin.workspace import MAX_BYTES, Workspace


class FileChanges:
    """Changes of the files of `workspace`, with copies and records in `kept`."""

    def __init__(self, workspace: Workspace, kept: KeptFiles) -> None:
        self._workspace = workspace
        self._kept = kept

    def place(self, path: str) -> Path:
        """The path behind `path`; raises ToolError where nothing may be written."""
        private = self._kept.private
        if private == self._workspace.root or private in self._workspace.root.parents:
            private = self._kept.folder
        return writable_place(self._workspace, path, private)

    def write(self, path: str, text: str, append: bool, key: str) -> Written:
        """Put `text` in the place of a file's content, or at its end."""
        real, added = self.place(path), _encoded(text)
        call = call_id(self._workspace, key)
        arguments = arguments_digest({"write": str(real), "text": digest_of(added), "end": append})
        with self._kept.locked(real), coded(path):
            record = self._kept.recall(call, arguments)
            # The file that was to take the place is still here under this name, or it did.
            partial = partial_name(call)
            if record is not None and not os.path.lexists(real.with_name(partial)):
                return WRITTEN.validate_python(record.result)
            with self._folders_for(real) as made, opened_folder(self._workspace, real) as folder:
                found = content_at(folder, real.name, path)
                before, state = found if found is not None else (b"", None)
                data = before + added if append else added
                if len(data) > MAX_BYTES:
                    raise ToolError("file_too_large", f"'{path}' gets too large; write less")
                result = Written(
                    path=self._workspace.relative(real),
                    bytes=len(data),
                    digest=digest_of(data),
                    replaced=None if state is None else self._kept.keep(before),
                    mode=None if state is None else state.mode,
                    folders=made,
                    call=call,
                )
                remove_if_there(folder, partial)
                write_new(folder, partial, data, result["mode"])
                record = CallRecord(arguments=arguments, result={**result})
                try:
                    with self._recorded(call, record):
                        rename_within(folder, partial, real.name)
                finally:
                    remove_if_there(folder, partial)
                return result

    def delete(self, path: str, key: str) -> Deleted:
        """Delete a file, of which a copy is kept."""
        real = self.place(path)
        call = call_id(self._workspace, key)
        arguments = arguments_digest({"delete": str(real)})
        with self._kept.locked(real), coded(path):
            record = self._kept.recall(call, arguments)
            if record is not None and not self._is_still(real, record, path):
                return DELETED.validate_python(record.result)
            with opened_folder(self._workspace, real) as folder:
                found = content_at(folder, real.name, path)
                if found is None:
                    raise FileNotFoundError(path)
                data, state = found
                result = Deleted(
                    path=self._workspace.relative(real),
                    bytes=state.bytes,
                    digest=self._kept.keep(data),
                    mode=state.mode,
                    call=call,
                )
                record = CallRecord(arguments=arguments, result={**result}, identity=state.identity)
                with self._recorded(call, record):
                    os.unlink(real.name, dir_fd=folder)
                    os.fsync(folder)
                return result

    def move(self, source: str, destination: str, key: str) -> Moved:
        """Move a file to where nothing is yet."""
        old, new = self.place(source), self.place(destination)
        call = call_id(self._workspace, key)
        arguments = arguments_digest({"move": str(old), "to": str(new)})
        with self._kept.locked(old, new), coded(destination):
            record = self._kept.recall(call, arguments)
            if record is not None and self._has_moved(old, new, record, source):
                return MOVED.validate_python(record.result)
            state = self.state(old, source)
            if state is None:
                raise ToolError("file_not_found", f"there is no file '{source[:200]}'")
            if os.path.isdir(new):
                raise ToolError(
                    "is_a_directory", f"'{destination}' is a folder; name the file's new path"
                )
            with self._folders_for(new) as made:
                result = Moved(
                    source=self._workspace.relative(old),
                    destination=self._workspace.relative(new),
                    bytes=state.bytes,
                    digest=state.digest,
                    folders=made,
                    call=call,
                )
                record = CallRecord(arguments=arguments, result={**result}, identity=state.identity)
                with self._recorded(call, record):
                    move_file(self._workspace, old, new)
                return result

    def state(self, real: Path, path: str) -> FileState | None:
        """The state of the file at a place, None when there is none."""
        try:
            with opened_folder(self._workspace, real) as folder:
                return state_at(folder, real.name, path)
        except FileNotFoundError:
            return None

    def _is_still(self, real: Path, record: CallRecord, path: str) -> bool:
        state = self.state(real, path)
        return state is not None and state.identity == record.identity

    def _has_moved(self, old: Path, new: Path, record: CallRecord, source: str) -> bool:
        if not self._is_still(old, record, source):
            return True
        if not os.path.lexists(new) or not os.path.samefile(old, new):
            return False
        # The new name was there when it was interrupted, and the old one not yet gone.
        with opened_folder(self._workspace, old) as folder:
            os.unlink(old.name, dir_fd=folder)
            os.fsync(folder)
        return True

    @contextmanager
    def _folders_for(self, real: Path) -> Iterator[list[str]]:
        made = make_folders(self._workspace, real)
        try:
            yield made
        except BaseException:
            remove_folders(self._workspace, made)
            raise

    @contextmanager
    def _recorded(self, call: str, record: CallRecord) -> Iterator[None]:
        self._kept.remember(call, record)
        try:
            yield
        except BaseException:
            self._kept.forget(call)
            raise


def call_id(workspace: Workspace, key: str) -> str:
    """The name of a call's record: which workspace, and which idempotency key."""
    return workspace_id(workspace) + hashlib.sha256(key.encode()).hexdigest()[:32]


def workspace_id(workspace: Workspace) -> str:
    """What the calls of one workspace begin with."""
    return hashlib.sha256(os.fsencode(workspace.root)).hexdigest()[:16]


def move_file(workspace: Workspace, old: Path, new: Path) -> None:
    """Move a file and never overwrite one: a new name first, which fails where there is one."""
    with opened_folder(workspace, old) as source, opened_folder(workspace, new) as target:
        os.link(old.name, new.name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        try:
            os.fsync(target)
            os.unlink(old.name, dir_fd=source)
        except BaseException:
            os.unlink(new.name, dir_fd=target)
            raise
        os.fsync(source)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ToolError(
            "invalid_arguments", f"text: half a surrogate pair at character {error.start}"
        ) from None

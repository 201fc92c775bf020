"""What undoing needs: copies of what was replaced or deleted, and a record of each call."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from treadle.core.errors import ToolError
from treadle.core.json_value import canonical_json
from treadle.tools.builtin.anchored import digest_of

KEEP_DAYS = 30
"""Days that a copy is kept after it was last needed; so long can a call be undone."""

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_LOCKS = 64


class CallRecord(BaseModel):
    """A call that is about to take effect, and what it gives once it has.

    arguments: digest of what it was called with.
    identity: of the file that goes away, where one does: whether it still has its name tells
    afterwards whether the effect came about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arguments: str
    result: dict[str, Any]
    identity: tuple[int, int, int] | None = None


class KeptFiles:
    """A private folder of copies by content and records by call; made when first needed.

    folder: `kept` in the user's state folder (TREADLE_STATE_DIR) by default.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._given = folder

    @cached_property
    def folder(self) -> Path:
        """Where everything lies; need not exist."""
        return (self._given if self._given is not None else _state_folder() / "kept").resolve()

    @cached_property
    def private(self) -> Path:
        """The folder that no tool may write to: with this one, all of Treadle's own state."""
        return self.folder if self._given is not None else self.folder.parent

    @cached_property
    def _place(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("copies", "calls", "locks"):
            (self.folder / name).mkdir(exist_ok=True, mode=0o700)
        for name in ("copies", "calls"):
            _prune(self.folder / name)
        return self.folder

    def keep(self, data: bytes) -> str:
        """Keep a copy, on disk when this returns; its digest, by which `load` finds it.

        Raises ToolError (`copy_not_kept`).
        """
        digest = digest_of(data)
        with self._kept_or_refused():
            path = self._place / "copies" / digest.removeprefix("sha256:")
            if path.exists():
                os.utime(path)  # it is as good as new: see _prune
            else:
                _write(path, data)
        return digest

    def load(self, digest: str) -> bytes:
        """The copy with this digest. Raises ToolError (`copy_gone`)."""
        named = _DIGEST.fullmatch(digest)
        try:
            data = (self._place / "copies" / named[1]).read_bytes() if named else b""
        except OSError:
            data = b""
        if digest_of(data) != digest:
            raise ToolError(
                "copy_gone",
                f"the copy {digest[:80]} is no longer in {self.folder / 'copies'}; copies are kept "
                f"for {KEEP_DAYS} days",
            )
        return data

    def remember(self, call: str, record: CallRecord) -> None:
        """Record what `call` is about to do, on disk when this returns.

        Raises ToolError (`copy_not_kept`).
        """
        with self._kept_or_refused():
            _write(self._call(call), record.model_dump_json().encode())

    def recall(self, call: str, arguments: str) -> CallRecord | None:
        """The record of `call`, None where it was never about to happen.

        Raises ToolError: `key_reused` when its arguments were others, `copy_gone` when the record
        cannot be read.
        """
        path = self._call(call)
        try:
            record = CallRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise ToolError("copy_gone", f"the record {path} cannot be read: {error}") from None
        if record.arguments != arguments:
            raise ToolError(
                "key_reused", "the idempotency key belongs to a call with other arguments"
            )
        return record

    def forget(self, call: str) -> None:
        """Delete the record of `call`: it did not take effect, or was taken back."""
        self._call(call).unlink(missing_ok=True)

    @contextmanager
    def locked(self, *paths: Path) -> Iterator[None]:
        """Be the only one, of all threads and processes, that changes these files."""
        import fcntl  # only where there are POSIX files

        names = {int(hashlib.sha256(os.fsencode(path)).hexdigest(), 16) % _LOCKS for path in paths}
        with ExitStack() as held:
            for name in sorted(names):  # in one order, so that no two wait for each other
                with self._kept_or_refused():
                    path = self._place / "locks" / f"{name:02}"
                    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                    held.callback(os.close, lock)
                    fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _call(self, call: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{1,64}", call):
            raise ToolError("undo_conflict", f"{call[:80]!r} is no call of a file tool")
        with self._kept_or_refused():
            return self._place / "calls" / f"{call}.json"

    @contextmanager
    def _kept_or_refused(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ToolError(
                "copy_not_kept",
                f"no copy can be kept in {self.folder}, so nothing was changed: {error.strerror}",
            ) from None


def arguments_digest(arguments: Mapping[str, object]) -> str:
    """A digest that tells one call's arguments from another's."""
    return hashlib.sha256(canonical_json(arguments)).hexdigest()


def _state_folder() -> Path:
    chosen = os.environ.get("TREADLE_STATE_DIR")
    if chosen:
        return Path(chosen)
    from platformdirs import user_state_path

    return user_state_path("treadle")


def _write(path: Path, data: bytes) -> None:
    # A name of its own: another process may be writing the same.
    partial = path.with_name(f"{path.name}.{secrets.token_hex(6)}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _prune(folder: Path) -> None:
    oldest = time.time() - KEEP_DAYS * 86_400
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    os.unlink(entry.path)
            except FileNotFoundError:
                continue  # another process prunes as well

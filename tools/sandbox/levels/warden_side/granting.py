"""Showing a folder of the host to a uid that may not even reach it, with its owner's rights."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from treadle.tools.sandbox.levels.warden_side import kernel


def grant(source: str, target: str, uid: int) -> None:
    """Show `source` at `target`, where `uid` has the rights of the owner of `source`.

    An id-mapped mount (Linux 5.12): files of that owner are `uid`'s there, and what `uid` makes
    there is that owner's. Nothing on the disk changes. Raises OSError where the file system has
    none of that.
    """
    state = os.stat(source)
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        Path(target).touch()
    mapping = _mapping(state.st_uid, state.st_gid, uid)
    try:
        kernel.attach_mapped(source, target, mapping)
    finally:
        os.close(mapping)


def _mapping(owner: int, group: int, uid: int) -> int:
    """A descriptor of a user namespace that stands for the mapping; nothing runs in it."""
    ready_read, ready_write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            kernel.unshare(kernel.NEW_USER)
            os.write(ready_write, b".")
            signal.pause()
        finally:
            os._exit(1)
    os.close(ready_write)
    try:
        if os.read(ready_read, 1) != b".":
            raise OSError("no user namespace for the mapping of a grant")
        Path(f"/proc/{child}/uid_map").write_text(f"{owner} {uid} 1\n")
        Path(f"/proc/{child}/gid_map").write_text(f"{group} {uid} 1\n")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ready_read)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

"""Calls to the kernel that Python has no name for."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

NEW_MOUNTS, NEW_UTS, NEW_IPC = 0x00020000, 0x04000000, 0x08000000
NEW_USER, NEW_PIDS, NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
# The same numbers on every architecture.
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
CLONE_TREE, CLOSE_ON_EXEC, HERE, EMPTY_PATH, MAPPED = 1, 0o2000000, -100, 0x1000, 0x00100000
BIND, RECURSIVE, SLAVE, NO_SUID, NO_DEVICES = 4096, 16384, 1 << 19, 2, 4
DEATH_SIGNAL, CHILD_SUBREAPER, NO_NEW_PRIVILEGES = 1, 36, 38

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """mount(2). Raises OSError."""
    result = _libc.mount(
        source.encode(),
        target.encode(),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, f"mount {source} at {target}")


def bind(source: str, target: str) -> None:
    """Show `source` at `target`, which is made. Raises OSError."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        Path(target).touch()
    mount(source, target, None, BIND | RECURSIVE)


def unshare(flags: int) -> None:
    """unshare(2). Raises OSError."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def prctl(option: int, value: int) -> None:
    """prctl(2). Raises OSError."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), "prctl")


def drop_capabilities() -> None:
    """Give up all that the calling process may do beyond its uid, capset(2). Raises OSError."""
    header = (0x20080522).to_bytes(4, "little") + bytes(4)
    _check(_libc.capset(header, bytes(24)), "capset")


def attach_mapped(source: str, target: str, mapping: int) -> None:
    """Show `source` at `target` through the id mapping of a user namespace. Raises OSError."""
    tree = _libc.syscall(OPEN_TREE, HERE, source.encode(), CLONE_TREE | CLOSE_ON_EXEC)
    _check(min(tree, 0), f"open_tree {source}")
    try:
        # struct mount_attr: set, clear, propagation, user namespace.
        words = (MAPPED, 0, 0, mapping)
        attributes = b"".join(each.to_bytes(8, "little") for each in words)
        result = _libc.syscall(
            MOUNT_SETATTR, tree, b"", EMPTY_PATH, attributes, ctypes.c_size_t(len(attributes))
        )
        _check(result, f"an id-mapped mount of {source}")
        result = _libc.syscall(MOVE_MOUNT, tree, b"", HERE, target.encode(), 4)
        _check(result, f"move_mount {target}")
    finally:
        os.close(tree)

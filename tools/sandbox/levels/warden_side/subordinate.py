"""The warden of an ordinary user, in a user namespace that has that user's subordinate ids."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

from treadle.tools.sandbox.levels.warden_side import kernel
from treadle.tools.sandbox.levels.warden_side.messages import Mapping

UID_PROGRAM, GID_PROGRAM = "/usr/bin/newuidmap", "/usr/bin/newgidmap"
"""Set the maps of a process's user namespace to what /etc/subuid and /etc/subgid allow."""
MAP_SECONDS = 5
OPEN_UP_SECONDS = 5
MOST_OPENED = 100_000
DEEPEST = 33
"""More than what is brought back may have."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def enter(mapping: Mapping) -> None:
    """Move into a new user namespace with these ids and the own ones. Raises OSError.

    There the warden may do to processes of these ids what root may do to all: start them, end them.
    Whoever else runs there has no more rights than before.
    """
    ready_read, ready_write = os.pipe()
    said_read, said_write = os.pipe()
    warden = os.getpid()
    uid, gid = os.getuid(), os.getgid()
    child = os.fork()
    if child == 0:
        try:
            os.close(ready_write)
            signal.alarm(MAP_SECONDS)
            # From outside: only there the two programs have the right to.
            if os.read(ready_read, 1) == b".":
                first, count = mapping["first_uid"], mapping["count"]
                _map(UID_PROGRAM, warden, [uid, uid, 1, first, first, count], said_write)
                first_gid = mapping["first_gid"]
                _map(GID_PROGRAM, warden, [gid, gid, 1, first, first_gid, count], said_write)
        except OSError as error:
            os.write(said_write, f"{error}\n".encode())
        finally:
            os._exit(0)
    os.close(ready_read)
    os.close(said_write)
    try:
        kernel.unshare(kernel.NEW_USER)
        os.write(ready_write, b".")
    finally:
        os.close(ready_write)
        said = _all_of(said_read)
        os.waitpid(child, 0)
    mapped = Path("/proc/self/uid_map").read_text() and Path("/proc/self/gid_map").read_text()
    if not mapped:
        raise OSError(f"its uids could not be mapped: {said or 'newuidmap took too long'}")


def _map(program: str, process: int, triples: list[int], said: int) -> None:
    argv = [program, str(process), *map(str, triples)]
    child = os.posix_spawn(
        program,
        argv,
        {},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, said, 1),
            (os.POSIX_SPAWN_DUP2, said, 2),
        ],
    )
    os.waitpid(child, 0)


def _all_of(descriptor: int) -> str:
    said = b""
    while part := os.read(descriptor, 4096):
        said = (said + part)[:2000]
    os.close(descriptor)
    return said.decode(errors="replace").strip()


def show_below(stage: str, staged: dict[str, str]) -> None:
    """Show what is `staged` below `stage`, to the calling process and its children alone.

    Above it there may be folders, a home say, that their uid cannot enter. Raises OSError.
    """
    kernel.unshare(kernel.NEW_MOUNTS)
    kernel.mount("none", "/", None, kernel.RECURSIVE | kernel.SLAVE)
    # Opened before: it may lie below the stage, which is covered now.
    held = {name: os.open(source, os.O_PATH | os.O_CLOEXEC) for name, source in staged.items()}
    flags = kernel.NO_SUID | kernel.NO_DEVICES
    kernel.mount("tmpfs", stage, "tmpfs", flags, "mode=0755,size=1m")
    for name, source in held.items():
        kernel.bind(f"/proc/self/fd/{source}", f"{stage}/{name}")
        os.close(source)


def try_out(stage: str, staged: dict[str, str], uid: int) -> None:
    """Do once what each execution needs: where policy takes the rights away, it fails here.

    Raises OSError.
    """
    said_read, said_write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            show_below(stage, staged)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            for name in staged:
                os.listdir(f"{stage}/{name}")
            os.write(said_write, b".")
        except OSError as error:
            os.write(said_write, str(error).encode(errors="replace"))
        finally:
            os._exit(0)
    os.close(said_write)
    said = _all_of(said_read)
    os.waitpid(child, 0)
    if said != ".":
        raise OSError(f"its uids cannot be used: {said or 'the trial ended'}")


def open_up(workspace: int) -> None:
    """Let everybody read the folders and files below an open folder, without following links.

    For the host, whose uid is another one than theirs; nobody else sees the folder. It ends the
    process that calls it when it takes too long. What is too much stays as it is.
    """
    signal.alarm(OPEN_UP_SECONDS)
    pending: list[tuple[str, ...]] = [()]
    left = MOST_OPENED
    while pending and left > 0:
        parts = pending.pop()
        folder = _folder(workspace, parts)
        try:
            os.fchmod(folder, os.fstat(folder).st_mode | 0o755)
            names = _names(folder)
            left -= len(names)
            for name in names:
                if _is_folder(folder, name) and len(parts) < DEEPEST:
                    pending.append((*parts, name))
        finally:
            os.close(folder)


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for _, entry in zip(range(MOST_OPENED), entries, strict=False)]


def _folder(workspace: int, parts: tuple[str, ...]) -> int:
    folder = os.dup(workspace)
    for part in parts:
        above = folder
        try:
            folder = os.open(part, _FOLDER, dir_fd=above)
        finally:
            os.close(above)
    return folder


def _is_folder(folder: int, name: str) -> bool:
    """Whether it is one; a regular file can be read by everybody from here on."""
    kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISREG(kind):
        held = os.open(name, _FILE, dir_fd=folder)
        os.fchmod(held, 0o644)
        os.close(held)
    return stat.S_ISDIR(kind)

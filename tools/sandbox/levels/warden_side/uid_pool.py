"""Uids that nobody else uses, each leased under a lock that every warden of the machine sees."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path


class UidPool:
    """`count` uids from `first` on; the locks are files in `folder`, which is the warden's alone.

    A lock ends with the process that holds it, so a warden that was killed frees its uids.
    """

    def __init__(self, folder: str, first: int, count: int) -> None:
        self._folder, self._first, self._count = Path(folder), first, count
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        state = self._folder.lstat()
        if state.st_uid != os.geteuid() or state.st_mode & 0o022:
            raise PermissionError(f"{folder} is not the warden's alone")
        # Several wardens that begin at different places find a free one sooner.
        self._next = os.getpid() % count

    def lease(self) -> tuple[int, int]:
        """A uid, and the descriptor that holds it; nothing runs under it.

        Raises BlockingIOError where all are in use.
        """
        for offset in range(self._count):
            uid = self._first + (self._next + offset) % self._count
            held = self.try_lease(uid)
            if held is not None:
                self._next = (uid - self._first + 1) % self._count
                # The mark is taken away by a release in order: a warden that was killed left it.
                if os.fstat(held).st_size:
                    end_all_of(uid)
                else:
                    os.write(held, b"in use\n")
                return uid, held
        raise BlockingIOError(f"all {self._count} uids of the sandbox are in use")

    def release(self, held: int) -> None:
        """Give a uid back, under which nothing runs any more."""
        os.ftruncate(held, 0)
        os.close(held)

    def try_lease(self, uid: int) -> int | None:
        """The descriptor that holds `uid`; None where another one does."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        held = os.open(self._folder / f"{uid}.lock", flags, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            return None
        return held

    def __contains__(self, uid: int) -> bool:
        return self._first <= uid < self._first + self._count


def end_all_of(uid: int) -> bool:
    """Kill everything that runs under a uid, at once; whether there was nothing.

    A process of that uid sends the signal to all that it may send signals to: the kernel lets
    nothing be forked meanwhile, and who hides from /proc does not hide from that.
    """
    if not _runs_under(uid):
        return True
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return False


def _runs_under(uid: int) -> bool:
    """Whether a process of that uid is there that is no zombie."""
    wanted = f"\nUid:\t{uid}\t".encode()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            # The owner of the folder is root's where a process has made itself not dumpable.
            status = Path(f"/proc/{name}/status").read_bytes()
        except OSError:
            continue  # it has ended
        if wanted in status and b"\nState:\tZ" not in status:
            return True
    return False

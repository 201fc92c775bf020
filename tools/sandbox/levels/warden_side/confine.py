"""Starting without bubblewrap: what the warden itself can take away from a process."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from treadle.tools.sandbox.levels.warden_side import kernel

WORKSPACE = "workspace"


def confine_as_root(stage: str, size: int, uid: int, mode: str) -> None:
    """New namespaces where the kernel lets root make them, and a workspace of a fixed size.

    The process that returns is the first but one of a process namespace: when its init ends, all
    that was started ends. mode: of the workspace. Raises OSError.
    """
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_IPC | kernel.NEW_UTS | kernel.NEW_NETWORK)
    place = os.path.join(stage, WORKSPACE)
    os.makedirs(place, exist_ok=True)
    options = f"mode={mode},size={size},uid={uid},gid={uid}"
    kernel.mount("tmpfs", place, "tmpfs", kernel.NO_SUID | kernel.NO_DEVICES, options)
    kernel.unshare(kernel.NEW_PIDS)


def under_an_init() -> None:
    """Become the child of a new process namespace's init; the callers before only wait."""
    init = os.fork()
    if init:
        _relay(init)
    kernel.prctl(kernel.DEATH_SIGNAL, signal.SIGKILL)
    main = os.fork()
    if main:
        _relay(main)


def under_a_keeper() -> None:
    """Become the child of a process that ends every descendant when it is told to end."""
    kernel.prctl(kernel.CHILD_SUBREAPER, 1)
    kernel.prctl(kernel.DEATH_SIGNAL, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    main = os.fork()
    if not main:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGCHLD})
        return
    _let_go_of_descriptors()
    code = 137
    while True:
        told = signal.sigwait({signal.SIGTERM, signal.SIGCHLD})
        if told == signal.SIGTERM:
            break
        ended = _reap(main)
        if ended is not None:
            code = ended
            break
    _end_descendants()
    os._exit(code)


def _relay(child: int) -> NoReturn:
    """Wait for `child`, reap orphans, and end as it ended."""
    _let_go_of_descriptors()
    while True:
        found, status = os.wait()
        if found == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(128 - code if code < 0 else code)


def _let_go_of_descriptors() -> None:
    # Whoever reads the other ends waits until the last writer is gone.
    os.closerange(0, 1 << 20)


def _reap(main: int) -> int | None:
    """Collect what has ended; the exit code of `main` if it was among that."""
    code = None
    while True:
        try:
            found, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if found == 0:
            return code
        if found == main:
            ended = os.waitstatus_to_exitcode(status)
            code = 128 - ended if ended < 0 else ended


def _end_descendants() -> None:
    """Kill until there is nothing left: what they fork meanwhile comes to the keeper, too."""
    while True:
        children = _descendants(os.getpid())
        if not children:
            return
        for sent in (signal.SIGSTOP, signal.SIGKILL):
            for child in children:
                try:
                    os.kill(child, sent)
                except ProcessLookupError:
                    continue
        _reap(0)


def _descendants(top: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except OSError:
            continue
        if state != b"Z":
            parents.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    pending = [top]
    while pending:
        children = parents.get(pending.pop(), [])
        found += children
        pending += children
    return found

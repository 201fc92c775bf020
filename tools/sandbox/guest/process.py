"""What a process does to itself before it runs what is not trusted, or beside it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]
import ctypes
import math
import os
import resource
import signal
from typing import Any

_SET_PDEATHSIG = 1
_SET_DUMPABLE = 4
_SET_CHILD_SUBREAPER = 36
_IOPRIO_GET = {"x86_64": 252, "aarch64": 31}.get(os.uname().machine)
# Plain numbers, and the module below `signal`: that one makes an enumeration's member of each,
# which takes longer than the system calls.
_CATCHABLE = sorted(int(each) for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})

# Loaded before anything is forked: a child must not need the loader of shared libraries.
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} was refused")


def hide() -> None:
    """No process of the same uid may trace this one, read its memory or its descriptors."""
    _prctl(_SET_DUMPABLE, 0)


def show() -> None:
    """As an ordinary process: it may read its own files in /proc."""
    _prctl(_SET_DUMPABLE, 1)


def adopt_orphans() -> None:
    """What descendants leave behind becomes a child of this process, to be reaped by it."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """SIGKILL as soon as the process that forked this one has ended."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def ignore_signals() -> None:
    """Ignore whatever can be: code of the same uid may send anything."""
    for number in _CATCHABLE:
        if number != signal.SIGCHLD:
            _signal.signal(number, _signal.SIG_IGN)


def usual_signals() -> None:
    """As Python starts with: SIGINT raises KeyboardInterrupt, a broken pipe is an error."""
    for number in _CATCHABLE:
        _signal.signal(number, _signal.SIG_DFL)
    _signal.signal(signal.SIGPIPE, _signal.SIG_IGN)
    _signal.signal(signal.SIGXFSZ, _signal.SIG_IGN)
    _signal.signal(signal.SIGINT, _signal.default_int_handler)


def lower_limits(limits: dict[str, Any]) -> None:
    """Set the limits of one execution on this process and what it starts; never raise one."""
    if limits["cpu_seconds"] is not None:
        cpu = max(1, math.ceil(limits["cpu_seconds"]))
        _lower(resource.RLIMIT_CPU, cpu, cpu + 1)
    _lower(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _lower(resource.RLIMIT_NOFILE, limits["open_files"])
    if limits["data_bytes"] is not None:
        _lower(resource.RLIMIT_DATA, limits["data_bytes"])
    # Not a single queue can be made: in an IPC namespace without a mount none could be found again.
    _lower(getattr(resource, "RLIMIT_MSGQUEUE", 12), 0)


def _lower(which: int, soft: int, hard: int | None = None) -> None:
    now_soft, now_hard = resource.getrlimit(which)
    wanted = hard if hard is not None else soft
    if now_hard != resource.RLIM_INFINITY:
        wanted = min(wanted, now_hard)
    soft = min(soft, wanted)
    if now_soft != resource.RLIM_INFINITY:
        soft = min(soft, now_soft)
    resource.setrlimit(which, (soft, wanted))


def prefer_as_victim() -> None:
    """When memory runs out, the kernel ends this process before the one that watches it."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:
        # Where /proc cannot be written the watcher may go instead: the host sees that as well.
        return


def become_child(streams: dict[int, int]) -> None:
    """In a new child: a session of its own, `streams` (target: source) open and nothing else."""
    os.setsid()
    # Above all targets first, so that no source is overwritten by another's target.
    floor = max(streams) + 1
    raised = {target: _above(source, floor) for target, source in streams.items()}
    for target, source in raised.items():
        os.dup2(source, target, inheritable=target <= 2)
    os.closerange(floor, 1 << 16)


def _above(descriptor: int, floor: int) -> int:
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, floor)


def others() -> set[str]:
    """The ids of all other processes in this namespace; none where /proc cannot be read."""
    own = str(os.getpid())
    try:
        names = os.listdir("/proc")
    except PermissionError:
        return set()
    return {name for name in names if name.isdecimal() and name != own}


def refuse_neighbours() -> None:
    """End where a snippet could open the pipes to the host through another process' /proc."""
    for pid in others():
        try:
            os.readlink(f"/proc/{pid}/fd/1")
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue
        raise SystemExit(f"the descriptors of process {pid} can be opened in here")


def footprint() -> tuple[Any, ...]:
    """What other processes of the same uid could change about this one, to compare later."""
    limits = [resource.getrlimit(number) for number in range(16)]
    return (
        limits,
        os.getpriority(os.PRIO_PROCESS, 0),
        sorted(os.sched_getaffinity(0)),
        os.sched_getscheduler(0),
        os.getpgrp(),
        None if _IOPRIO_GET is None else _libc.syscall(_IOPRIO_GET, 1, 0),
    )

"""What carries out each level, and what each level bounds, in words."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from treadle.core.errors import ToolError
from treadle.tools.sandbox.contract import SandboxLevel
from treadle.tools.sandbox.execution import ColdRunner, LaunchingBoundary, Runner
from treadle.tools.sandbox.levels.confined import ConfinedBoundary
from treadle.tools.sandbox.levels.elsewhere import (
    container_runner,
    remote_runner,
    seatbelt_runner,
    unsafe_runner,
)
from treadle.tools.sandbox.levels.namespaced import NamespacedBoundary
from treadle.tools.sandbox.levels.warden import shared_warden

FILES = "files: only /usr and its Python, read-only, and a workspace of its own"
NETWORK = "network: none"
CALLS = "system calls: no namespaces, mounts, bpf, keys, io_uring, ptrace (seccomp)"
TIME = "time: on the wall and of each process on the processor"
OUTPUT = "output and files that come back: cut at their limits"
TOTALS = "memory and processes: in total, by a cgroup of its own"
DISK = "disk: a workspace of a fixed size, in memory"
OWN_UID = "identity: a uid that nothing else has, never root"
LANDLOCK = "files once more, by Landlock (version {})"
LANDLOCKED_FILES = (
    "files: only /usr, its Python and a workspace can be opened, by Landlock (version {})"
)
NO_LANDLOCK = "files a second time: the kernel has no Landlock"
NO_TOTALS = (
    "memory in total: no cgroup is used, each process has the limit for itself, and nameless "
    "files (memfd) and the number of files are not counted; processes and threads are counted by "
    "the kernel's limit for a user"
)
NO_UID = "identity: outside it is your own user, which shares that user's limits ({})"
RANGE_UID = (
    "identity: a uid of your range in /etc/subuid that nothing else has; your own where folders "
    "are granted"
)
SHARED_LIMITS = (
    "limits of your user: the kernel counts what runs in its user namespaces towards them"
)
NO_DISK = "disk in total: only the size of one file is bounded"
METADATA = "names: sizes, dates and owners of the host's files can be asked for by path"


def boundary_of(level: SandboxLevel) -> LaunchingBoundary:
    """What starts processes at `level`. Raises ToolError (`sandbox_unavailable`)."""
    if sys.platform != "linux":
        raise ToolError("sandbox_unavailable", f"the level {level} is there on Linux only")
    root = os.geteuid() == 0
    if level is SandboxLevel.STRICT:
        if not root:
            raise ToolError("sandbox_unavailable", "only root can give each execution its own uid")
        warden = shared_warden()
        if not warden.cgroups:
            raise ToolError(
                "sandbox_unavailable", "no cgroup for memory and processes can be made here"
            )
        return NamespacedBoundary(warden, level)
    if level is SandboxLevel.USER:
        # As root this is what is left where the level strict does not work.
        return NamespacedBoundary(shared_warden(cgroups=not root), level)
    if level is SandboxLevel.CONFINED:
        return ConfinedBoundary(shared_warden())
    raise ToolError("sandbox_unavailable", f"the level {level} is not there yet")


def runner_of(level: SandboxLevel) -> Runner:
    """What carries jobs out at `level`. Raises ToolError (`sandbox_unavailable`)."""
    made = _ELSEWHERE.get(level)
    return ColdRunner(boundary_of(level)) if made is None else made()


_ELSEWHERE: dict[SandboxLevel, Callable[[], Runner]] = {
    SandboxLevel.REMOTE: remote_runner,
    SandboxLevel.CONTAINER: container_runner,
    SandboxLevel.SEATBELT: seatbelt_runner,
    SandboxLevel.UNSAFE: unsafe_runner,
}


def bounds_of(level: SandboxLevel, landlock: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What `level` bounds here and what it does not, in words. landlock: the kernel's version."""
    if level in _ELSEWHERE:
        return _BOUNDED_ELSEWHERE[level], _UNBOUNDED_ELSEWHERE[level]
    root = os.geteuid() == 0
    warden = boundary_of(level).warden
    totals, leased = bool(warden.cgroups), warden.stage is not None
    bounded = [NETWORK, CALLS, TIME, OUTPUT]
    unbounded: list[str] = []
    if level is SandboxLevel.CONFINED:
        bounded += [LANDLOCKED_FILES.format(landlock)]
        unbounded += [METADATA]
    else:
        bounded += [FILES]
        (bounded if landlock else unbounded).append(
            LANDLOCK.format(landlock) if landlock else NO_LANDLOCK
        )
    (bounded if totals else unbounded).append(TOTALS if totals else NO_TOTALS)
    if root:
        bounded += [OWN_UID]
    elif leased:
        bounded += [RANGE_UID]
        unbounded += [SHARED_LIMITS]
    else:
        unbounded += [NO_UID.format(warden.no_range)]
    sized = leased or level is not SandboxLevel.CONFINED
    (bounded if sized else unbounded).append(DISK if sized else NO_DISK)
    return tuple(bounded), tuple(unbounded)


_BOUNDED_ELSEWHERE: dict[SandboxLevel, tuple[str, ...]] = {
    SandboxLevel.REMOTE: ("this machine: the code does not run here",),
    SandboxLevel.CONTAINER: (
        "what the engine bounds: files, network (none), memory and processes in total",
        TIME,
        OUTPUT,
    ),
    SandboxLevel.SEATBELT: ("files and network, by macOS' profile", TIME, OUTPUT),
}
_UNBOUNDED_ELSEWHERE: dict[SandboxLevel, tuple[str, ...]] = {
    SandboxLevel.REMOTE: ("the other machine is taken at its word",),
    SandboxLevel.CONTAINER: (
        "the engine and the image are trusted; the code shares a uid with its own supervisor; "
        "not tested with every engine",
    ),
    SandboxLevel.SEATBELT: (
        "memory, processes and disk in total; daemons that leave their group; untested",
    ),
}

"""In the forked child: take the limits on, let go of everything else, and execute."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
from pathlib import Path
from typing import NoReturn

from treadle.tools.sandbox.levels.warden_side import kernel
from treadle.tools.sandbox.levels.warden_side.cgroups import Cgroups
from treadle.tools.sandbox.levels.warden_side.confine import (
    confine_as_root,
    under_a_keeper,
    under_an_init,
)
from treadle.tools.sandbox.levels.warden_side.granting import grant
from treadle.tools.sandbox.levels.warden_side.messages import Request
from treadle.tools.sandbox.levels.warden_side.subordinate import show_below

HIGH = 200
"""Descriptors from here on are out of the way of those that the program gets."""


def become(
    request: Request,
    *,
    cgroups: Cgroups,
    uid: int | None,
    descriptors: list[int],
    failure: int,
    stage: str | None,
    staged: dict[str, str],
) -> NoReturn:
    """Never returns: it executes the request's program, or writes why not to `failure`.

    staged: what is shown below `stage` for this process alone, for want of root.
    """
    kept = failure
    try:
        kept = fcntl.fcntl(failure, fcntl.F_DUPFD_CLOEXEC, HIGH)
        cgroups.enter()
        os.setsid()
        _take_descriptors(descriptors)
        # Without a cgroup nothing else keeps it from costing another program its life.
        Path("/proc/self/oom_score_adj").write_text("1000" if cgroups.empty else "700")
        _leave_no_core_dumps()
        _enter_namespaces(request, uid, stage, staged)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.chdir("/")
        os.umask(0o077)
        argv = request["argv"]
        os.execve(argv[0], argv, request["environment"])  # noqa: S606 - that is what it is for
    except BaseException as error:  # noqa: BLE001 - the parent must learn of it, whatever it is
        os.write(kept, str(error).encode(errors="replace")[:4000])
    finally:
        os._exit(127)


def _leave_no_core_dumps() -> None:
    """A limit of 1 says so to the kernel; with 0 it would still start a handler (core(5))."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    least = 1 if hard == resource.RLIM_INFINITY else min(hard, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (least, least))


def _take_descriptors(descriptors: list[int]) -> None:
    """They become 0, 1, 2, ...; all others close when the program is executed, or now."""
    # Out of the way first: a descriptor may stand where another one is to go.
    high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, HIGH) for each in descriptors]
    for number, each in enumerate(high):
        os.dup2(each, number, inheritable=True)
        os.close(each)
    os.closerange(len(descriptors), HIGH)


def _enter_namespaces(
    request: Request, uid: int | None, stage: str | None, staged: dict[str, str]
) -> None:
    size = request["confined"]
    if uid is not None and stage is not None and staged:
        show_below(stage, staged)
    if request["stage"]:
        kernel.unshare(kernel.NEW_MOUNTS)
        for target, source in request["stage"].items():
            if uid is None:
                kernel.bind(source, target)
            else:
                grant(source, target, uid)
    if size is not None and uid is not None and stage is not None:
        confine_as_root(stage, size, uid, "0755" if staged else "0700")
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    kernel.drop_capabilities()
    kernel.prctl(kernel.NO_NEW_PRIVILEGES, 1)
    kernel.prctl(kernel.DEATH_SIGNAL, signal.SIGKILL)
    if size is not None:
        if uid is None:
            under_a_keeper()
        else:
            under_an_init()
        kernel.prctl(kernel.DEATH_SIGNAL, signal.SIGKILL)

"""The levels strict and user: namespaces by bubblewrap, started by the warden."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from treadle.core.errors import ToolError
from treadle.tools.sandbox.boundary import Grants
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits
from treadle.tools.sandbox.levels.bubblewrap import (
    MADE_FILES,
    PROGRAM,
    WORKSPACE,
    Shown,
    bubblewrap_argv,
)
from treadle.tools.sandbox.levels.interpreter import Interpreter
from treadle.tools.sandbox.levels.launch import CONTROL, Launch, boot_command
from treadle.tools.sandbox.levels.seccomp_filter import filter_of_this_machine
from treadle.tools.sandbox.levels.starting import memory_file, started
from treadle.tools.sandbox.levels.warded_process import WardedProcess
from treadle.tools.sandbox.levels.warden import Warden

OWN_PROCESSES = 2
"""Bubblewrap's own: one outside, one that is the first of the process namespace."""
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": WORKSPACE,
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",  # noqa: S108 - its own one, inside
    "PYTHONUNBUFFERED": "1",
}
WRITABLE = (
    WORKSPACE,
    "/tmp",  # noqa: S108 - its own one
    "/dev/shm",  # noqa: S108 - its own one
    *(f"/dev/{name}" for name in ("null", "zero", "full", "tty", "pts", "ptmx")),
)
READABLE = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/proc", "/dev")


@dataclass(frozen=True, slots=True)
class NamespacedBoundary:
    """Starts processes in namespaces of their own, with seccomp, Landlock and limits.

    As root each of them gets a uid of its own and the level is strict. As an ordinary user it gets
    one of that user's subordinate uids where there are any and no folders are granted to it, the
    user's own otherwise; the level is `user`.
    """

    warden: Warden
    level: SandboxLevel

    async def start(
        self,
        argv: Sequence[str] | None,
        *,
        limits: SandboxLimits,
        grants: Grants | None = None,
        code: str | None = None,
        token: str = "",
        files: Mapping[str, bytes] | None = None,
    ) -> WardedProcess:
        """Start `argv`, or run `code` in the first program's Python; see Boundary.

        token: names the file that `code` reports its value in.
        """
        if not PROGRAM.is_file():
            raise ToolError("sandbox_unavailable", f"bubblewrap is not installed at {PROGRAM}")
        granted = grants or Grants()
        await self.warden.ready()
        # What belongs to the user is another's for every other uid.
        leased = self.warden.root or not (granted.read or granted.write or granted.sockets)
        shown, stage = self._shown(granted, leased)
        launch = Launch(
            limits,
            WORKSPACE,
            [*WRITABLE, *granted.write.values()],
            [*READABLE, *(each.target for each in shown)],
            limits.processes + OWN_PROCESSES,
            argv,
            code,
            token,
            files or {},
            {**environment(), **granted.environment},
            per_process=not self.warden.cgroups,
        )
        return await self._start(launch, shown, stage, leased)

    async def _start(
        self, launch: Launch, shown: Sequence[Shown], stage: Mapping[str, str], leased: bool
    ) -> WardedProcess:
        with ExitStack() as theirs:
            # Inside a user namespace of the user's, the kernel counts against that user's limits.
            filter_file = memory_file(
                theirs, filter_of_this_machine(shared_user=not self.warden.root)
            )
            made = {path: memory_file(theirs, text.encode()) for path, text in MADE_FILES.items()}
            first = CONTROL + 1
            command = bubblewrap_argv(
                launch.limits,
                shown,
                seccomp=first,
                made={path: first + 1 + place for place, path in enumerate(made)},
                command=boot_command(Interpreter.current().host_path),
                workspace_mode="0700" if self.warden.root else "0755",
            )
            return await started(
                self.warden,
                command,
                launch,
                [filter_file, *made.values()],
                theirs,
                stage=stage,
                leased=leased,
            )

    def _shown(self, grants: Grants, leased: bool) -> tuple[list[Shown], dict[str, str]]:
        """What of the host appears inside, and what the warden must bind for that."""
        wanted: list[tuple[Path, str, bool]] = []
        interpreter = Interpreter.current()
        shown: list[Shown] = []
        if not interpreter.in_usr:
            prefix = str(interpreter.prefix)
            below = leased and self.warden.stage is not None
            source = f"{self.warden.stage}/python" if below else prefix
            shown.append(Shown(source, prefix))
        wanted += [(path, target, False) for path, target in grants.read.items()]
        wanted += [(path, target, True) for path, target in grants.write.items()]
        wanted += [(path, target, True) for path, target in grants.sockets.items()]
        # What lies in another one's folder comes after that: it would be covered, and with it that
        # it is for reading only.
        wanted.sort(key=lambda each: len(PurePosixPath(each[1]).parts))
        stage: dict[str, str] = {}
        for number, (path, target, writable) in enumerate(wanted):
            if not path.exists():
                raise ToolError("sandbox_failed", f"what is granted to it is not there: {path}")
            source = str(path.resolve())
            if self.warden.root:
                # What it is mounted on stays there for the next one, which has to be of its kind.
                kind = "folder" if os.path.isdir(source) else "file"
                staged = f"{self.warden.stage}/{kind}-{number}"
                stage[staged], source = source, staged
            shown.append(Shown(source, target, writable))
        return shown, stage


def environment() -> dict[str, str]:
    """All the variables that there are inside."""
    own = str(Interpreter.current().prefix / "bin")
    return {**ENVIRONMENT, "PATH": f"{own}:{ENVIRONMENT['PATH']}"}

"""The levels strict and user: namespaces by bubblewrap, started by the warden."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

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

    As root each of them gets a uid of its own and the level is strict; as an ordinary user it
    runs under that user's uid, and the level is `user`.
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
        shown, stage = self._shown(granted)
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
        return await self._start(launch, shown, stage)

    async def _start(
        self, launch: Launch, shown: Sequence[Shown], stage: Mapping[str, str]
    ) -> WardedProcess:
        with ExitStack() as theirs:
            filter_file = memory_file(
                theirs, filter_of_this_machine(shared_user=self.warden.stage is None)
            )
            made = {path: memory_file(theirs, text.encode()) for path, text in MADE_FILES.items()}
            first = CONTROL + 1
            command = bubblewrap_argv(
                launch.limits,
                shown,
                seccomp=first,
                made={path: first + 1 + place for place, path in enumerate(made)},
                command=boot_command(Interpreter.current().host_path),
            )
            return await started(
                self.warden, command, launch, [filter_file, *made.values()], theirs, stage=stage
            )

    def _shown(self, grants: Grants) -> tuple[list[Shown], dict[str, str]]:
        """What of the host appears inside, and what the warden must bind for that."""
        wanted: list[tuple[Path, str, bool]] = []
        interpreter = Interpreter.current()
        shown: list[Shown] = []
        if not interpreter.in_usr:
            prefix = str(interpreter.prefix)
            source = prefix if self.warden.stage is None else f"{self.warden.stage}/python"
            shown.append(Shown(source, prefix))
        wanted += [(path, target, False) for path, target in grants.read.items()]
        wanted += [(path, target, True) for path, target in grants.write.items()]
        wanted += [(path, target, True) for path, target in grants.sockets.items()]
        stage: dict[str, str] = {}
        for number, (path, target, writable) in enumerate(wanted):
            if not path.exists():
                raise ToolError("sandbox_failed", f"what is granted to it is not there: {path}")
            source = str(path.resolve())
            if self.warden.stage is not None:
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

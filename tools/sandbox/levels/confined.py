"""The level confined: no bubblewrap; Landlock, seccomp, and as root another uid and namespaces."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.sandbox.boundary import Grants
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits
from treadle.tools.sandbox.levels.bubblewrap import HOST_FILES, TOP_LINKS
from treadle.tools.sandbox.levels.interpreter import Interpreter
from treadle.tools.sandbox.levels.launch import Launch, boot_command
from treadle.tools.sandbox.levels.seccomp_filter import filter_of_this_machine
from treadle.tools.sandbox.levels.starting import started
from treadle.tools.sandbox.levels.warded_process import WardedProcess
from treadle.tools.sandbox.levels.warden import Warden

OWN_PROCESSES = 3
"""Ours around an execution: who waits outside, the init inside, and the first program."""
LEAST_AS_ROOT, LEAST_AS_USER = 1, 6
"""The version of Landlock that it takes. Version 6 holds signals in, which a uid of its own
does otherwise."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
READABLE = (*(f"/{name}" for name in TOP_LINKS), "/usr", "/dev/urandom", "/dev/random", *HOST_FILES)
REMOVE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ConfinedBoundary:
    """Starts processes that Landlock and seccomp hold in, in the host's file system.

    As root, or with subordinate ids, each has a uid of its own, its own network, process and IPC
    namespaces, and a workspace of a fixed size; as any other user it has none of that, and its
    workspace is a folder.
    """

    warden: Warden
    level: SandboxLevel = SandboxLevel.CONFINED

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
        """Start `argv`, or run `code` in the first program's Python; see Boundary."""
        granted = grants or Grants()
        if granted.read or granted.write or granted.sockets:
            raise ToolError("sandbox_unavailable", "the level confined can grant no folders")
        await self.warden.ready()
        stage = self.warden.stage
        folder = None if stage is not None else await asyncio.to_thread(_new_folder)
        workspace = str(folder) if folder is not None else f"{stage}/workspace"
        interpreter = Interpreter.current()
        prefix = interpreter.prefix if stage is None else Path(stage, "python")
        python = prefix / interpreter.host_path.relative_to(interpreter.prefix)
        variables = {
            "PATH": f"{prefix}/bin:/usr/local/bin:/usr/bin:/bin",
            "HOME": workspace,
            "TMPDIR": workspace,
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        }
        if interpreter.shared_library:
            variables["LD_LIBRARY_PATH"] = f"{prefix}/lib"
        launch = Launch(
            limits,
            workspace,
            [workspace, *DEVICES],
            [*READABLE, str(prefix)],
            limits.processes + OWN_PROCESSES + (0 if stage is not None else _own_threads()),
            argv,
            code,
            token,
            files or {},
            {**variables, **granted.environment},
            landlock=LEAST_AS_USER if stage is None else LEAST_AS_ROOT,
            listable=(),
            # No sockets at all: the network may be the host's, and so are its abstract names.
            calls=filter_of_this_machine((), shared_user=not self.warden.root),
            per_process=not self.warden.cgroups,
        )
        with ExitStack() as theirs, ExitStack() as kept:
            if folder is not None:
                kept.callback(remove_folder, folder)
            process = await started(
                self.warden,
                boot_command(python),
                launch,
                [],
                theirs,
                stage={},
                environment=variables,
                confined=limits.disk_bytes,
            )
            process.at_close(kept.pop_all().close)
            return process


def _new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="treadle-sandbox-")).resolve()


def remove_folder(folder: Path) -> None:
    """Take away a folder that hostile code has filled: no link is followed, however deep it is."""
    for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf", "--one-file-system"]):
        subprocess.run(  # noqa: S603 - two programs of the system, on a folder that we made
            [*command, "--", str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=REMOVE_SECONDS,
            check=False,
        )


def _own_threads() -> int:
    """How many threads the user has: the kernel counts them all against one limit."""
    own, count = os.getuid(), 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == own:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue  # it has ended
    return count

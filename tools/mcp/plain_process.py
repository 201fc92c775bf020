"""A server as a process without a boundary: only where the configuration says so."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from treadle.core.errors import ToolError
from treadle.tools.sandbox.boundary import BoundaryEnd
from treadle.tools.sandbox.contract import RunStatus, SandboxUsage

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME")


class PlainProcess:
    """A process with pipes and an environment of its own; the counterpart of a BoundaryProcess."""

    def __init__(
        self, process: asyncio.subprocess.Process, stdin: int, stdout: int, stderr: int
    ) -> None:
        self._process = process
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self._ended: tuple[RunStatus, str] | None = None
        self._open = {stdin, stdout, stderr}

    async def wait(self) -> BoundaryEnd:
        """See `BoundaryProcess`."""
        code = await self._process.wait()
        status, reason = self._ended or ("ok" if code == 0 else "error", "")
        return BoundaryEnd(status, code, reason, SandboxUsage())

    async def kill(self, status: RunStatus = "killed", reason: str = "") -> None:
        """See `BoundaryProcess`; daemons that left its process group get away."""
        self._ended = self._ended or (status, reason)
        for each in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, each)
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._process.wait()
                    if each is signal.SIGKILL:
                        return

    def release(self, descriptor: int) -> None:
        """See `BoundaryProcess`."""
        if descriptor in self._open:
            self._open.discard(descriptor)
            os.close(descriptor)


async def start_plain(
    argv: Sequence[str], granted: Mapping[str, str], ours: Mapping[str, str]
) -> PlainProcess:
    """Start `argv` with the environment `granted` and the least of `ours`.

    Raises ToolError (`mcp_unreachable`).
    """
    environment = {name: ours[name] for name in _KEPT if name in ours} | dict(granted)
    theirs: list[int] = []
    own: list[int] = []
    try:
        for index in range(3):
            read, write = os.pipe()
            theirs.append(read if index == 0 else write)
            own.append(write if index == 0 else read)
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=theirs[0],
            stdout=theirs[1],
            stderr=theirs[2],
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        for each in own:
            os.close(each)
        raise ToolError("mcp_unreachable", f"'{argv[0]}' cannot be started: {error}") from None
    finally:
        for each in theirs:
            os.close(each)
    return PlainProcess(process, *own)

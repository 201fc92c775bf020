"""The levels that lean on what others made: container engines, macOS, another machine."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.sandbox.contract import SandboxLevel, SandboxResult
from treadle.tools.sandbox.execution import Job
from treadle.tools.sandbox.levels.outside_program import ask
from treadle.tools.sandbox.levels.portable import PortableRunner

IMAGE_VARIABLE = "TREADLE_SANDBOX_IMAGE"
ENGINE_VARIABLE = "TREADLE_SANDBOX_ENGINE"
HOST_VARIABLE = "TREADLE_SANDBOX_HOST"
ENGINES = ("podman", "docker")
ENGINE_SECONDS = 20.0
STATUSES = ("ok", "error", "timeout", "memory", "killed", "refused")
INSIDE = "/workspace"
# Only what Python needs to start is readable; the workspace alone is writable.
SEATBELT_PROFILE = """\
(version 1)(deny default)(allow process-fork)(allow process-exec)(allow sysctl-read)
(allow file-read* (subpath "/usr") (subpath "/System") (subpath "/Library/Frameworks")
 (subpath "/private/var/db/dyld") (literal "/dev/null") (literal "/dev/urandom") (literal "/")
 (subpath "{prefix}") (subpath "{workspace}"))
(allow file-write* (subpath "{workspace}") (literal "/dev/null"))
"""


def container_runner() -> PortableRunner:
    """Jobs in containers of podman or docker, from an image that is there already.

    `TREADLE_SANDBOX_IMAGE` names the image, which must hold Python 3.8 or newer; nothing is ever
    pulled. Raises ToolError (`sandbox_unavailable`).
    """
    image = os.environ.get(IMAGE_VARIABLE)
    if not image:
        raise ToolError("sandbox_unavailable", f"{IMAGE_VARIABLE} names no image with a Python")
    wanted = os.environ.get(ENGINE_VARIABLE)
    engines = (wanted,) if wanted else ENGINES
    engine = next((found for each in engines if (found := shutil.which(each))), None)
    if engine is None:
        raise ToolError("sandbox_unavailable", f"there is no {' or '.join(engines)}")

    def command(job: Job, folder: str, program: str) -> list[str]:
        limits = job.limits
        size = f"rw,nosuid,nodev,size={limits.disk_bytes},mode=1777"
        return [
            engine, "run", "--rm", "-i", "--pull", "never", "--name", Path(folder).name,
            "--network", "none", "--read-only", "--cap-drop", "ALL", "--user", "65534:65534",
            "--security-opt", "no-new-privileges", "--ipc", "none", "--init",
            "--memory", str(limits.memory_bytes), "--memory-swap", str(limits.memory_bytes),
            "--pids-limit", str(limits.processes + 3),
            "--tmpfs", f"{INSIDE}:{size}", "--tmpfs", f"/tmp:{size}",  # noqa: S108 - the container's own
            "--workdir", INSIDE,
            image, "python3", "-I", "-S", "-c", program,
        ]  # fmt: skip

    async def end(folder: str) -> None:
        # The container may outlive the command line that started it.
        await ask(
            [engine, "rm", "--force", Path(folder).name],
            b"",
            seconds=ENGINE_SECONDS,
            most_bytes=4096,
        )

    return PortableRunner(SandboxLevel.CONTAINER, command, INSIDE, end)


def seatbelt_runner() -> PortableRunner:
    """Jobs under macOS' sandbox-exec; untested. Raises ToolError (`sandbox_unavailable`)."""
    if sys.platform != "darwin":
        raise ToolError("sandbox_unavailable", "the level seatbelt is there on macOS only")

    def command(job: Job, folder: str, program: str) -> list[str]:
        places = {"prefix": sys.base_prefix, "workspace": os.path.realpath(folder)}
        if any('"' in each for each in places.values()):
            raise ToolError("sandbox_unavailable", "a folder's name has a quotation mark in it")
        profile = SEATBELT_PROFILE.format(**places)
        python = os.path.realpath(sys.executable)
        return ["/usr/bin/sandbox-exec", "-p", profile, python, "-I", "-S", "-c", program]

    return PortableRunner(SandboxLevel.SEATBELT, command)


def unsafe_runner() -> PortableRunner:
    """Jobs as this user, with resource limits and nothing else."""

    def command(job: Job, folder: str, program: str) -> list[str]:
        return [sys.executable, "-I", "-S", "-c", program]

    return PortableRunner(SandboxLevel.UNSAFE, command)


@dataclass(frozen=True, slots=True)
class RemoteRunner:
    """Snippets in the sandbox of another machine: `ssh HOST treadle sandbox run --json -`.

    It is trusted to be what it says; only a level of `user` or above there will do.
    """

    host: str
    program: Sequence[str] = ("ssh", "-o", "BatchMode=yes", "-T")
    level: SandboxLevel = SandboxLevel.REMOTE

    async def run(self, job: Job) -> SandboxResult:
        """Raises ToolError (`sandbox_unavailable`, `sandbox_failed`)."""
        if job.code is None or job.files or job.results:
            raise ToolError("sandbox_unavailable", "the level remote runs code only, without files")
        limits = job.limits
        there = [
            "treadle", "sandbox", "run", "--json", "--min-level", "user",
            "--timeout", f"{limits.seconds:g}", "--memory", str(limits.memory_bytes >> 20), "-",
        ]  # fmt: skip
        answer = await ask(
            [*self.program, "--", self.host, shlex.join(there)],
            job.code.encode(),
            seconds=limits.seconds + 2 * ENGINE_SECONDS,
            most_bytes=8 * limits.output_bytes + 65_536,
        )
        try:
            return self._result(json.loads(answer.stdout))
        except (ValueError, RecursionError) as error:
            words = ascii(answer.stderr[-300:].decode("utf-8", "replace"))
            raise ToolError(
                "sandbox_failed", f"{self.host} gave no result ({error}): {words}"
            ) from error

    def _result(self, read: object) -> SandboxResult:
        if not isinstance(read, dict) or read.get("status") not in STATUSES:
            raise ValueError("not the answer of `treadle sandbox run --json`")
        texts = [read.get(name) for name in ("stdout", "stderr", "reason")]
        shown = [each if isinstance(each, str) else "" for each in texts]
        code = read.get("exit_code")
        return SandboxResult(
            read["status"],
            code if type(code) is int else None,
            shown[0],
            shown[1],
            self.level,
            0.0,
            reason=shown[2],
            truncated=read.get("truncated") is True,
        )


def remote_runner() -> RemoteRunner:
    """Jobs on the machine that `TREADLE_SANDBOX_HOST` names. Raises ToolError."""
    host = os.environ.get(HOST_VARIABLE)
    if not host:
        raise ToolError("sandbox_unavailable", f"{HOST_VARIABLE} names no machine")
    if host.startswith("-") or any(each.isspace() for each in host):
        raise ToolError("sandbox_unavailable", f"{HOST_VARIABLE} is no machine: {host!a}")
    return RemoteRunner(host)

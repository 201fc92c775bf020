"""Running code without a sandbox: what attacks are shown to work against."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from treadle.core.errors import ToolError
from treadle.tools.sandbox.contract import (
    SandboxLevel,
    SandboxLimits,
    SandboxPolicy,
    SandboxResult,
)

USER = 61_987
"""The uid of executions without a sandbox where the caller is root: it belongs to nobody."""

_CEILINGS = """\
import resource
for kind, most in (
    (resource.RLIMIT_AS, 4 << 30), (resource.RLIMIT_CPU, 10), (resource.RLIMIT_FSIZE, 64 << 20),
    (resource.RLIMIT_NOFILE, 1024), (resource.RLIMIT_CORE, 0),
):
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))
import sys
sys.path.insert(0, ".")
exec(compile(open("main.py").read(), "main.py", "exec"))
"""

_READ_AT_MOST = 64 * 1024 * 1024


class PlainRunner:
    """A CodeRunner that does what programs without a sandbox do: a process, a folder, a timeout.

    It starts an unprivileged process in a throw-away folder, hands it the environment and the
    open descriptors, waits for it alone, and follows links when it brings results back.
    """

    def __init__(self, folder: Path, python: str, user: int | None) -> None:
        self._folder = folder
        self._python = python
        self._user = user
        self._count = 0

    async def run(
        self,
        code: str | None = None,
        *,
        command: Sequence[str] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        results: Sequence[str] = (),
        limits: SandboxLimits | None = None,
        policy: SandboxPolicy | None = None,
    ) -> SandboxResult:
        """Run it; only `seconds` of the limits holds."""
        self._count += 1
        place = self._folder / f"plain-{self._count}"
        place.mkdir()
        inputs = {**(files or {}), **({} if code is None else {"main.py": code})}
        for name, content in inputs.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        if self._user is not None:
            for path in (place, *place.rglob("*")):
                os.chown(path, self._user, self._user, follow_symlinks=False)
        argv = list(command) if command else [self._python, "-c", _CEILINGS]
        return await self._finish(argv, place, results, limits or SandboxLimits())

    async def _finish(
        self, argv: list[str], place: Path, results: Sequence[str], limits: SandboxLimits
    ) -> SandboxResult:
        started = time.monotonic()
        # Output goes to files: a daemon that holds a pipe open would keep us waiting.
        out, err = place.with_suffix(".out"), place.with_suffix(".err")
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                close_fds=False,
                start_new_session=True,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
                env={**os.environ, "HOME": str(place), "TMPDIR": str(place)},
            )
        timed_out = False
        try:
            async with asyncio.timeout(limits.seconds):
                await process.wait()
        except TimeoutError:
            timed_out = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        found = await asyncio.to_thread(_naively_read, place, results)
        exit_code = process.returncode
        return SandboxResult(
            status="timeout" if timed_out else "error" if exit_code else "ok",
            exit_code=None if timed_out else exit_code,
            stdout=_text(out),
            stderr=_text(err),
            level=SandboxLevel.UNSAFE,
            seconds=time.monotonic() - started,
            files=found,
        )


def _text(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(_READ_AT_MOST).decode("utf-8", "replace")


def _naively_read(place: Path, results: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for pattern in results:
        for path in place.glob(pattern):
            with contextlib.suppress(OSError):
                if path.is_file() and path.stat().st_size <= _READ_AT_MOST:
                    found[str(path.relative_to(place))] = path.read_bytes()
    return found


def plain_user() -> int | None:
    """The uid for executions without a sandbox: of nobody for root, None (the caller's) else."""
    return USER if os.geteuid() == 0 else None


def plain_python(user: int | None) -> str:
    """An interpreter that `user` may start.

    Raises ToolError (`selftest_no_python`) where there is none.
    """
    known = [os.path.realpath(sys.executable), shutil.which("python3", path="/usr/bin:/bin")]
    for python in known:
        if python is None:
            continue
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(  # noqa: S603 - an interpreter of this machine
                [python, "-I", "-c", ""],
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                cwd="/",
                timeout=20,
                check=False,
                capture_output=True,
            )
            if done.returncode == 0:
                return python
    raise ToolError(
        "selftest_no_python",
        "the self-test needs a Python that an unprivileged user may start; install one in /usr",
    )

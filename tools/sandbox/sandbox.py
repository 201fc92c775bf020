"""Sandbox: runs code that is not trusted, behind the strongest boundary of the machine."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from treadle.core.errors import InputError, ToolError, TreadleError
from treadle.tools.sandbox.boundaries import strongest_boundary, strongest_runner
from treadle.tools.sandbox.contract import SandboxLimits, SandboxPolicy, SandboxResult
from treadle.tools.sandbox.execution import ColdRunner, Job, Runner
from treadle.tools.sandbox.file_names import WantedFiles, checked_files
from treadle.tools.sandbox.limit_checks import check_limits
from treadle.tools.sandbox.probing import SandboxProbe, probe_strongest_async

if TYPE_CHECKING:
    from treadle.tools.sandbox.sessions.session import SandboxSession, SessionKind
    from treadle.tools.sandbox.warm.pool import WarmPool

MOST_CODE_BYTES = 8 * 1024 * 1024


class Sandbox:
    """Runs code that is not trusted; an async context manager, and a CodeRunner.

    limits, policy: used where a call names none. warm: use workers that are started already where
    the level has them. machine: what a probe has found; None to probe when it is needed. Nothing
    that code says can choose a weaker level: what `policy` demands and the machine does not have
    is refused, and so is all that comes after the end of its block (`sandbox_closed`).

        async with Sandbox() as sandbox:
            result = await sandbox.run("6 * 7")
            assert result.value == 42
    """

    def __init__(
        self,
        *,
        limits: SandboxLimits | None = None,
        policy: SandboxPolicy | None = None,
        warm: bool = True,
        machine: SandboxProbe | None = None,
    ) -> None:
        self.limits = limits or SandboxLimits()
        self.policy = policy or SandboxPolicy()
        self.warm = warm
        self._machine = machine
        self._pool: WarmPool | None = None
        self._blocks = 0
        self._ended = False

    async def __aenter__(self) -> Self:
        self._blocks += 1
        self._ended = False
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._blocks -= 1
        if self._blocks == 0:
            self._ended = True
            await self.close()

    def _check_open(self) -> None:
        """Raises ToolError (`sandbox_closed`): nothing would end what is started now."""
        if self._ended:
            raise ToolError("sandbox_closed", "the block that this sandbox was made for has ended")

    async def close(self) -> None:
        """Let go of the workers that are kept warm; a later call starts new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

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
        """Run `code` (Python) or `command` (a program with its arguments); see CodeRunner.

        Whatever happens to it is in the result's status. What cannot begin at all is `refused`,
        with the reason; nothing is raised for it.
        """
        began = time.monotonic()
        demanded = policy or self.policy
        runner: Runner | None = None
        try:
            self._check_open()
            job = _job(code, command, files or {}, results, limits or self.limits)
            runner = await strongest_runner(demanded, self._machine)
            result = await self._run(runner, job, demanded.trust_domain)
        except TreadleError as error:
            result = SandboxResult(
                "refused",
                None,
                "",
                "",
                demanded.min_level if runner is None else runner.level,
                0.0,
                reason=f"{error.code}: {error.message}",
            )
        return dataclasses.replace(result, seconds=time.monotonic() - began)

    @contextlib.asynccontextmanager
    async def session(
        self,
        kind: SessionKind,
        *,
        limits: SandboxLimits | None = None,
        policy: SandboxPolicy | None = None,
    ) -> AsyncIterator[SandboxSession]:
        """A session that ends with the block: what one call leaves is there for the next.

        kind: `python`, `bash`, `sql` (SQLite) or `duckdb`. limits: `seconds` and `output_bytes`
        hold for each call, the rest for the session as a whole. Raises InputError
        (`bad_sandbox_input`) and ToolError (`sandbox_unavailable`, `sandbox_failed`,
        `sandbox_busy`, `sandbox_closed`).

            async with sandbox.session("python") as session:
                await session.run("x = 6")
                assert (await session.run("x * 7")).value == 42
        """
        from treadle.tools.sandbox.sessions.opening import open_session

        self._check_open()
        bounds, demanded = limits or self.limits, policy or self.policy
        check_limits(bounds)
        machine = self._machine or await probe_strongest_async(demanded.min_level)
        boundary = strongest_boundary(demanded, machine)
        async with await open_session(kind, boundary, limits=bounds, policy=demanded) as opened:
            yield opened

    async def _run(self, runner: Runner, job: Job, trust_domain: str) -> SandboxResult:
        if job.code is None or not self.warm or not isinstance(runner, ColdRunner):
            return await runner.run(job)
        from treadle.tools.sandbox.warm.pool import WARM_LEVELS, WarmPool

        if runner.level not in WARM_LEVELS:
            return await runner.run(job)
        self._check_open()  # it may have ended while the machine was probed
        if self._pool is None:
            self._pool = WarmPool(runner.boundary)
        return await self._pool.run(
            job.code,
            files=job.files,
            results=job.results,
            limits=job.limits,
            trust_domain=trust_domain,
        )


def _job(
    code: str | None,
    command: Sequence[str] | None,
    files: Mapping[str, bytes | str],
    results: Sequence[str],
    limits: SandboxLimits,
) -> Job:
    """What was asked for, checked. Raises InputError (`bad_sandbox_input`, `bad_sandbox_file`)."""
    if (code is None) == (command is None):
        raise InputError("bad_sandbox_input", "give either code or a command to run")
    if isinstance(results, str):
        raise InputError("bad_sandbox_input", "results is a list of paths, not one text")
    for text in [code or ""] if command is None else command:
        _check_text(text)
    if command is not None and (isinstance(command, str) or not command or not command[0]):
        raise InputError("bad_sandbox_input", "a command is a list: a program and its arguments")
    check_limits(limits)
    given = None if command is None else list(command)
    checked = checked_files(files)
    size = sum(map(len, checked.values()))
    if size > limits.disk_bytes:
        raise InputError(
            "bad_sandbox_input",
            f"the files have {size} bytes, and the workspace {limits.disk_bytes} (disk_bytes)",
        )
    return Job(code, given, checked, WantedFiles(results), limits)


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise InputError(
            "bad_sandbox_input", f"code and commands are text, not {type(text).__name__}"
        )
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InputError("bad_sandbox_input", f"it is not text in UTF-8: {error.reason}") from error
    if "\0" in text:
        raise InputError("bad_sandbox_input", "it has a NUL character in it")
    if size > MOST_CODE_BYTES:
        raise InputError("bad_sandbox_input", f"{size} bytes are more than {MOST_CODE_BYTES}")

"""One execution from beginning to end: start, read, wait, collect."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from treadle.tools.sandbox.boundary import BoundaryEnd, Grants
from treadle.tools.sandbox.contract import (
    RunStatus,
    SandboxLevel,
    SandboxLimits,
    SandboxResult,
)
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.levels.warded_process import WardedProcess
from treadle.tools.sandbox.levels.warden import Warden
from treadle.tools.sandbox.output_reader import OutputReader
from treadle.tools.sandbox.snippet_report import SnippetReport, parsed_report
from treadle.tools.sandbox.workspace_files import CollectedFiles, collect, read_small

REST_SECONDS = 5.0
"""How long output may take to be read once its writers are gone."""
MOST_VALUE_BYTES = 4 * 1024 * 1024
PROCESSOR_TIME = 24
"""SIGXCPU, which says that the processor's time is used up."""
BAD_SYSTEM_CALL = 31
"""SIGSYS, by which the filter ends what uses another architecture's system calls."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run, checked: `code` or `command`, the files before, those wanted after."""

    code: str | None
    command: Sequence[str] | None
    files: Mapping[str, bytes]
    results: WantedFiles
    limits: SandboxLimits


class Runner(Protocol):
    """Carries jobs out at one level."""

    @property
    def level(self) -> SandboxLevel:
        """How strong it is."""
        ...

    async def run(self, job: Job) -> SandboxResult:
        """Raises ToolError where the job could not begin."""
        ...


class LaunchingBoundary(Protocol):
    """A boundary whose processes begin with our first program inside."""

    @property
    def level(self) -> SandboxLevel:
        """How strong it is."""
        ...

    @property
    def warden(self) -> Warden:
        """What starts and ends its processes."""
        ...

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
        """See Boundary; `code` runs in the first program's Python."""
        ...


@dataclass(frozen=True, slots=True)
class ColdRunner:
    """Starts a new process for each job."""

    boundary: LaunchingBoundary

    @property
    def level(self) -> SandboxLevel:
        """The boundary's."""
        return self.boundary.level

    async def run(self, job: Job) -> SandboxResult:
        """Run it. Raises ToolError where it could not begin."""
        token = f".treadle-{secrets.token_hex(12)}"
        process = await self.boundary.start(
            job.command, limits=job.limits, code=job.code, token=token, files=job.files
        )
        try:
            process.release(process.stdin)
            output, errors = _readers(process, job.limits)
            try:
                end = await process.wait(job.limits.seconds)
                await output.rest(REST_SECONDS)
                await errors.rest(REST_SECONDS)
            finally:
                output.stop()
                errors.stop()
            closed = await process.open_up() if job.results else ""
            report = SnippetReport()
            if job.code is not None:
                report = parsed_report(read_small(process.workspace, token, MOST_VALUE_BYTES))
            found = await _collected(process.workspace, job, token)
            if closed:
                found.left_out.append(closed)
        finally:
            process.close()
        return _result(self.level, end, report, found, output, errors)


def _readers(process: WardedProcess, limits: SandboxLimits) -> tuple[OutputReader, OutputReader]:
    def reader(descriptor: int, name: str) -> OutputReader:
        reason = f"it wrote more than {limits.output_bytes} bytes to {name}"
        return OutputReader(
            descriptor, limits.output_bytes, lambda: process.end_soon("killed", reason)
        )

    return reader(process.stdout, "stdout"), reader(process.stderr, "stderr")


async def _collected(workspace: int, job: Job, token: str) -> CollectedFiles:
    if not job.results:
        return CollectedFiles()

    # The thread may outlive a cancelled call: it has a descriptor of its own.
    def read(descriptor: int) -> CollectedFiles:
        try:
            return collect(descriptor, job.results, job.limits, without=token)
        finally:
            os.close(descriptor)

    return await asyncio.to_thread(read, os.dup(workspace))


def _result(
    level: SandboxLevel,
    end: BoundaryEnd,
    report: SnippetReport,
    found: CollectedFiles,
    output: OutputReader,
    errors: OutputReader,
) -> SandboxResult:
    judged = judged_end(end, report)
    said = [judged.reason, report.note]
    if found.left_out:
        said.append("not brought back: " + "; ".join(found.left_out))
    truncated = output.truncated or errors.truncated
    if truncated and judged.status in ("ok", "error"):
        said.append("its output is cut at the limit")
    return SandboxResult(
        judged.status,
        judged.exit_code,
        output.text,
        errors.text,
        level,
        0.0,
        value=report.value,
        files=found.files,
        reason="; ".join(each for each in said if each),
        truncated=truncated,
        usage=judged.usage,
    )


def judged_end(end: BoundaryEnd, report: SnippetReport) -> BoundaryEnd:
    """How it ended, in the light of what the snippet said of itself."""
    by_signal = end.signal
    if by_signal and report.exit_code == 128 + by_signal:
        # An exit code like a shell's for a signal, but by itself.
        end = replace(end, status="error", exit_code=report.exit_code, reason="", signal=0)
    elif by_signal == PROCESSOR_TIME:
        end = replace(end, status="timeout", reason="it took more than its time on the processor")
    elif by_signal == BAD_SYSTEM_CALL:
        end = replace(end, reason="it made a system call of another architecture")
    if end.status != "error":
        return end
    status: RunStatus = "error"
    reason = f"it ended with exit code {end.exit_code}"
    if report.kind == "MemoryError":
        status, reason = "memory", "it could not get the memory that it asked for (MemoryError)"
    elif report.kind:
        # A class may have any text for a name: nothing of it may command a terminal.
        named = report.kind.isidentifier() and len(report.kind) < 200
        reason = f"it raised {report.kind if named else 'an exception'}"
    return replace(end, status=status, reason=reason)

"""Carries jobs out through the portable program: containers, sandbox-exec, and no boundary."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import json
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from treadle.core.errors import InputError, ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.boundary import BoundaryEnd
from treadle.tools.sandbox.contract import SandboxLevel, SandboxResult, SandboxUsage
from treadle.tools.sandbox.execution import Job, judged_end
from treadle.tools.sandbox.file_names import checked_name
from treadle.tools.sandbox.levels.launch import processor_seconds
from treadle.tools.sandbox.levels.outside_program import Answer, ask
from treadle.tools.sandbox.snippet_report import SnippetReport, parsed_report

START_SECONDS = 30.0
"""What starting a container may take on top of the job's own time."""


@dataclass(frozen=True, slots=True)
class PortableRunner:
    """Runs jobs by a command that starts a Python behind a boundary that we did not make.

    command: makes the command line from the job, the workspace on the host and the program. after:
    is called with the workspace when the job is over, to end what may be left.
    """

    level: SandboxLevel
    command: Callable[[Job, str, str], Sequence[str]]
    inside: str | None = None
    after: Callable[[str], Awaitable[None]] | None = None

    async def run(self, job: Job) -> SandboxResult:
        """Run it. Raises ToolError (`sandbox_unavailable`, `sandbox_failed`)."""
        folder = tempfile.mkdtemp(prefix="treadle-sandbox-")
        token = f".treadle-{secrets.token_hex(12)}"
        try:
            given = _given(job, self.inside or folder, token)
            limits = job.limits
            answer = await ask(
                self.command(job, folder, _program("portable_program.py")),
                given,
                seconds=limits.seconds + START_SECONDS,
                most_bytes=4 * (limits.result_bytes + 3 * limits.output_bytes) + 65_536,
            )
            return _result(self.level, job, answer)
        finally:
            if self.after is not None:
                await self.after(folder)
            shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _program(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


def _given(job: Job, workspace: str, token: str) -> bytes:
    limits: dict[str, JsonValue] = dict(dataclasses.asdict(job.limits))
    limits["cpu_seconds"] = processor_seconds(job.limits.cpu_seconds)
    return json.dumps(
        {
            **limits,
            "code": job.code,
            "command": None if job.command is None else list(job.command),
            "files": {name: base64.b64encode(each).decode() for name, each in job.files.items()},
            "results": ["**"] if job.results else [],
            "workspace": workspace,
            "token": token,
            "snippet": _program("snippet_program.py"),
        }
    ).encode()


def _result(level: SandboxLevel, job: Job, answer: Answer) -> SandboxResult:
    if answer.code is None:
        reason = f"it took more than its {job.limits.seconds:g} s"
        return SandboxResult("timeout", None, "", "", level, 0.0, reason=reason)
    try:
        read = json.loads(answer.stdout)
        if not isinstance(read, dict):
            raise ValueError("no answer")
        code, why = read.get("exit"), read.get("why")
        if type(code) is not int or why not in ("", "timeout", "output"):
            raise ValueError("no exit code")
        outputs = [_bytes(read.get(name)) for name in ("stdout", "stderr")]
        files = _files(read.get("files"), job)
        report = read.get("report")
        said = parsed_report(report.encode() if isinstance(report, str) else None)
    except (ValueError, RecursionError) as error:
        words = ascii(answer.stderr[-300:].decode("utf-8", "replace"))
        raise ToolError(
            "sandbox_failed", f"the {level} sandbox gave no result ({error}): {words}"
        ) from error
    end = judged_end(_end(code, why, job), said)
    return _made(level, job, end, said, outputs, files)


def _made(
    level: SandboxLevel,
    job: Job,
    end: BoundaryEnd,
    said: SnippetReport,
    outputs: Sequence[bytes],
    files: dict[str, bytes],
) -> SandboxResult:
    most = job.limits.output_bytes
    texts = [each[:most].decode("utf-8", "replace") for each in outputs]
    return SandboxResult(
        end.status,
        end.exit_code,
        texts[0],
        texts[1],
        level,
        0.0,
        value=said.value,
        files=files,
        reason="; ".join(each for each in (end.reason, said.note) if each),
        truncated=any(len(each) > most for each in outputs),
    )


def _end(code: int, why: str, job: Job) -> BoundaryEnd:
    usage = SandboxUsage()
    if why == "timeout":
        reason = f"it took more than its {job.limits.seconds:g} s"
        return BoundaryEnd("timeout", None, reason, usage)
    if why == "output":
        reason = f"it wrote more than {job.limits.output_bytes} bytes"
        return BoundaryEnd("killed", None, reason, usage)
    if code < 0:
        return BoundaryEnd("killed", None, f"it was ended by signal {-code}", usage, -code)
    return BoundaryEnd("ok" if code == 0 else "error", code, "", usage)


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _files(found: object, job: Job) -> dict[str, bytes]:
    """Those that are wanted, and no more than are allowed."""
    files: dict[str, bytes] = {}
    size = 0
    for name, content in found.items() if isinstance(found, dict) else ():
        try:
            plain = checked_name(str(name))
        except InputError:
            continue  # no name that a file of a workspace can have
        read = _bytes(content)
        size += len(read)
        if size > job.limits.result_bytes or len(files) >= job.limits.result_files:
            break
        if plain in job.results:
            files[plain] = read
    return files

"""A stand-in for the sandbox: real processes without a boundary, for code that tests write."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

import pytest

from treadle.agents.coding.executions import Executions
from treadle.agents.coding.judge import Judge
from treadle.tools.sandbox.contract import (
    SandboxLevel,
    SandboxLimits,
    SandboxPolicy,
    SandboxResult,
)


class BareRunner:
    """Runs code in an ordinary subprocess, with a time limit only. Not a sandbox."""

    def __init__(self) -> None:
        self.runs = 0
        self.running = 0
        self.most_at_once = 0

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
        used = limits or SandboxLimits()
        self.runs += 1
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            with tempfile.TemporaryDirectory() as name:
                return await self._run(Path(name), code, command, files or {}, results, used)
        finally:
            self.running -= 1

    async def _run(
        self,
        folder: Path,
        code: str | None,
        command: Sequence[str] | None,
        files: Mapping[str, bytes | str],
        results: Sequence[str],
        limits: SandboxLimits,
    ) -> SandboxResult:
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            (folder / path).write_bytes(data)
        argv = list(command or [sys.executable, "-I", "-c", code or ""])
        started = monotonic()
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin"},
            start_new_session=True,
        )
        status = "ok"
        try:
            async with asyncio.timeout(limits.seconds):
                out, err = await process.communicate()
        except TimeoutError:
            status, out, err = "timeout", b"", b""
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if status == "ok" and process.returncode:
            status = "error"
        found = {
            str(path.relative_to(folder)): path.read_bytes()
            for pattern in results
            for path in folder.glob(pattern)
            if path.is_file()
        }
        return SandboxResult(
            status,  # type: ignore[arg-type]
            process.returncode,
            out.decode("utf-8", "replace")[: limits.output_bytes],
            err.decode("utf-8", "replace")[: limits.output_bytes],
            SandboxLevel.UNSAFE,
            monotonic() - started,
            files=found,
        )


def python(code: str, said: str = "Here it is.") -> str:
    """A model's reply with code as its answer."""
    return f"{said}\n```python\n{code}\n```\n"


@pytest.fixture
def runner() -> BareRunner:
    return BareRunner()


@pytest.fixture
def executions(runner: BareRunner) -> Executions:
    return Executions(runner, limits=SandboxLimits(seconds=60))


@pytest.fixture
def judge(executions: Executions) -> Judge:
    return Judge(executions, test_seconds=8)

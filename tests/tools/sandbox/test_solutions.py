"""Given solutions get the same verdict through the sandbox as from plain Python."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.tools.sandbox.solutions import SOLUTIONS, Solution

from treadle.tools.sandbox import SandboxLimits
from treadle.tools.sandbox.sandbox import Sandbox

_SECONDS = 1.0
"""What an endless one gets; the others end by themselves, and are given longer."""

_LIMITS = SandboxLimits(seconds=15.0)


def _program(solution: Solution) -> str:
    return f"{solution.code}\n{solution.tests}\n"


def _seconds(solution: Solution) -> float:
    return _SECONDS if solution.ends == "timeout" else _LIMITS.seconds


def _verdict(status: str, exit_code: int | None, stderr: str) -> str:
    """`ok`, `timeout`, the name of the exception, or the exit code."""
    if status in ("ok", "timeout"):
        return status
    last = (stderr.strip().splitlines() or [""])[-1]
    name = last.partition(":")[0].rpartition(".")[2]
    raised = "Traceback" in stderr or "Error" in name
    return name if raised and name.isidentifier() else f"exit {exit_code}"


async def _plain(solution: Solution, folder: Path) -> tuple[str, str]:
    path = folder / "main.py"
    path.write_text(_program(solution), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(path)),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_seconds(solution)):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        return "timeout", ""
    status = "error" if process.returncode else "ok"
    return _verdict(status, process.returncode, err.decode()), out.decode()


def test_there_are_solutions_of_every_kind() -> None:
    counts = Counter(each.ends for each in SOLUTIONS)
    assert len({each.name for each in SOLUTIONS}) == len(SOLUTIONS) >= 60
    assert min(counts["ok"], counts["AssertionError"], counts["timeout"]) >= 6


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda each: each.name)
async def test_the_verdict_is_that_of_plain_python(solution: Solution, tmp_path: Path) -> None:
    verdict, stdout = await _plain(solution, tmp_path)
    assert verdict == solution.ends
    async with Sandbox() as sandbox:
        result = await sandbox.run(
            _program(solution), limits=SandboxLimits(seconds=_seconds(solution))
        )
    if result.status == "refused":
        pytest.skip(f"no sandbox on this machine: {result.reason}")
    assert _verdict(result.status, result.exit_code, result.stderr) == verdict, result
    if verdict != "timeout":
        assert result.stdout == stdout

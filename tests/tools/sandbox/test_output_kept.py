"""What code has written before it was ended is there, however it was ended."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.tools.sandbox.machine import need

from treadle.tools.sandbox import Sandbox, SandboxLevel, SandboxLimits, SandboxPolicy
from treadle.tools.sandbox.execution import ColdRunner, Job
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.levels.elsewhere import unsafe_runner

pytestmark = pytest.mark.timeout(90)

LIMITS = SandboxLimits(seconds=60.0, memory_bytes=64 * 1024 * 1024)
BRIEF = replace(LIMITS, seconds=4.0)
"""For what ends by its time: on a busy machine, too, it has said everything before."""

SAY = "import sys\nprint('started')\nprint('half', end='')\nsys.stderr.write('aside')\n"
ENDS = {
    "timeout": "while True: pass",
    "memory": "held = []\nwhile True: held.append(bytearray(b'x' * 1_000_000))",
    "killed": "import os\nos.kill(os.getpid(), 9)",
}
each_end = pytest.mark.parametrize("status", ENDS)


def limits(status: str) -> SandboxLimits:
    return BRIEF if status == "timeout" else LIMITS


@contextlib.asynccontextmanager
async def opened(level: SandboxLevel, warm: bool, status: str) -> AsyncIterator[Sandbox]:
    need(level)
    policy = SandboxPolicy(min_level=level)
    async with Sandbox(limits=limits(status), policy=policy, warm=warm) as sandbox:
        yield sandbox


@each_end
@pytest.mark.parametrize("level", [SandboxLevel.STRICT, SandboxLevel.USER, SandboxLevel.CONFINED])
async def test_a_new_process(level: SandboxLevel, status: str) -> None:
    runner = ColdRunner(need(level))
    result = await runner.run(Job(SAY + ENDS[status], None, {}, WantedFiles(()), limits(status)))
    assert (result.status, result.stdout) == (status, "started\nhalf"), result
    # Where no cgroup bounds the memory the exception is shown after it.
    assert result.stderr.startswith("aside")


@each_end
async def test_a_warm_worker(status: str) -> None:
    async with opened(SandboxLevel.STRICT, warm=True, status=status) as sandbox:
        result = await sandbox.run(SAY + ENDS[status])
    assert (result.status, result.stdout) == (status, "started\nhalf"), result
    assert result.stderr == "aside"


@each_end
async def test_a_program_of_python(status: str) -> None:
    async with opened(SandboxLevel.STRICT, warm=False, status=status) as sandbox:
        files = {"main.py": SAY + ENDS[status]}
        result = await sandbox.run(command=["python3", "main.py"], files=files)
    assert (result.status, result.stdout) == (status, "started\nhalf"), result
    assert result.stderr == "aside"


@each_end
async def test_a_session(status: str) -> None:
    async with (
        opened(SandboxLevel.STRICT, warm=True, status=status) as sandbox,
        sandbox.session("python") as session,
    ):
        result = await session.run(SAY + ENDS[status])
    assert (result.status, result.stdout) == (status, "started\nhalf"), result
    # An interrupt shows its traceback after it.
    assert result.stderr.startswith("aside")


@pytest.mark.parametrize("status", ["timeout", "killed"])
async def test_without_a_boundary(status: str) -> None:
    job = Job(SAY + ENDS[status], None, {}, WantedFiles(()), limits(status))
    result = await unsafe_runner().run(job)
    assert (result.status, result.stdout, result.stderr) == (status, "started\nhalf", "aside")

"""A level that could not be tried just now is not taken for one that does not work."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.tools.sandbox.machine import need, need_root

from treadle.tools.sandbox import SandboxLevel

HOLDER = """
import asyncio, glob, sys
from treadle.tools.sandbox import Sandbox

def in_use():
    for place in glob.glob("/proc/[0-9]*/status"):
        try:
            if "\\nUid:\\t2000100000\\t" in open(place).read():
                return True
        except OSError:
            pass
    return False

async def main():
    async with Sandbox(warm=False) as sandbox:
        await sandbox.run("1")
        running = asyncio.create_task(sandbox.run("import time; time.sleep(60)"))
        while not in_use():
            await asyncio.sleep(0.01)
        print("busy", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

asyncio.run(main())
"""
WANTING = """
import asyncio, sys
from treadle.tools.sandbox import Sandbox

async def main():
    async with Sandbox(warm=False) as sandbox:
        result = await sandbox.run("1")
        print(result.status, "sandbox_busy" in result.reason, flush=True)
        sys.stdin.readline()
        result = await sandbox.run("1")
        print(result.status, result.level, flush=True)

asyncio.run(main())
"""


@pytest.mark.timeout(150)
def test_it_is_refused_while_all_uids_are_in_use_and_runs_strictly_after() -> None:
    need(SandboxLevel.STRICT)
    need_root()
    holder = _started(HOLDER)
    wanting = None
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "busy\n"
        wanting = _started(WANTING)
        assert wanting.stdout is not None
        assert wanting.stdout.readline() == "refused True\n"
        holder.communicate("\n", timeout=60)
        assert wanting.communicate("\n", timeout=60)[0] == "ok strict\n"
    finally:
        for each in filter(None, (holder, wanting)):
            each.kill()
            each.communicate()


def _started(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"TREADLE_SANDBOX_UIDS": "2000100000:1", "PATH": "/usr/bin:/bin"},
    )

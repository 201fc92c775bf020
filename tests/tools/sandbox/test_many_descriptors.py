"""A host with many open files hands none of them on."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.tools.sandbox.machine import need

from treadle.tools.sandbox import SandboxLevel

HOST = """
import asyncio, json, os, resource, sys
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1200)]
from treadle.tools.sandbox import Sandbox, SandboxLevel, SandboxPolicy

CODE = '''
import os
def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
[number for number in range(5, 20_000) if is_open(number)]
'''

async def main():
    policy = SandboxPolicy(min_level=SandboxLevel(sys.argv[1]))
    async with Sandbox(warm=False, policy=policy) as sandbox:
        result = await sandbox.run(CODE)
    print(json.dumps([result.status, result.value, str(result.level), result.reason]))

asyncio.run(main())
"""


@pytest.mark.parametrize("level", [SandboxLevel.STRICT])
@pytest.mark.timeout(150)
def test_no_descriptor_of_a_busy_host_gets_in(level: SandboxLevel) -> None:
    need(level)
    done = subprocess.run(
        [sys.executable, "-c", HOST, str(level)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["ok", [], str(level), ""]

"""A program that uses the sandbox ends without a warning, however tidy it was."""

import subprocess
import sys

import pytest
from tests.tools.sandbox.machine import need

from treadle.tools.sandbox import SandboxLevel

TIDY = """
async with Sandbox(warm={warm}) as sandbox:
    assert (await sandbox.run("6 * 7")).value == 42
    async with sandbox.session("sql") as session:
        await session.run("select 1")
"""
FORGETFUL = """
sandbox = Sandbox(warm={warm})
assert (await sandbox.run("6 * 7")).value == 42
opened = sandbox.session("python")
session = await opened.__aenter__()
await session.run("1")
"""
FORKS = "import os\nif os.fork():\n    os.wait()\n"


@pytest.mark.timeout(150)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize(
    ("body", "after"),
    [(TIDY, ""), (FORGETFUL, ""), (TIDY, FORKS)],
    ids=["tidy", "forgetful", "forking"],
)
def test_no_warnings(body: str, after: str, warm: bool) -> None:
    need(SandboxLevel.USER)
    lines = body.format(warm=warm).strip().splitlines()
    program = "import asyncio\nfrom treadle.tools.sandbox import Sandbox\nasync def main():\n"
    program += "\n".join("    " + line for line in lines)
    program += f"\nasyncio.run(main(), debug=False)\n{after}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

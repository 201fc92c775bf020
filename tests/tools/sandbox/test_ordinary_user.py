"""The sandbox as an ordinary user starts it, in a process that has become one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.tools.sandbox.machine import lacking, need_root

from treadle.tools.sandbox.levels.interpreter import Interpreter

# The Python may lie below a folder that only root can enter: the process gets a view of its own.
ENTER = """\
set -e
prefix=$1; shift
hidden=$(mktemp -d)
mount --bind "$prefix" "$hidden"
top=/$(echo "$prefix" | cut -d/ -f2)
case $top in
  /usr) ;;
  *) mount -t tmpfs -o mode=755 none "$top"; mkdir -p "$prefix"; mount --bind "$hidden" "$prefix" ;;
esac
exec setpriv --reuid 65534 --regid 65534 --clear-groups env -i HOME=/tmp PATH=/usr/bin:/bin "$@"
"""


def as_user(*arguments: str) -> subprocess.CompletedProcess[str]:
    need_root()
    prefix = Interpreter.current().prefix
    here = Path(__file__).resolve()
    tops = {str(each).split("/")[1] for each in (here, Path(sys.executable).absolute())}
    if str(prefix).split("/")[1] in tops - {"usr"}:
        lacking("this Python and this checkout lie below the same top folder")
    command = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        ENTER,
        "sh",
        str(prefix),
        sys.executable,
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/")


@pytest.mark.timeout(60)
def test_an_ordinary_user_gets_the_level_user() -> None:
    done = as_user("-m", "treadle", "sandbox", "probe", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if found["level"] != "user":
        lacking(f"no user namespaces for ordinary users: {found['levels']}")
    assert any("memory in total" in each for each in found["unbounded"]) or os.path.exists(
        "/sys/fs/cgroup/cgroup.controllers"
    )
    assert any(each.startswith("identity") for each in found["unbounded"])
    levels = {each["level"]: each for each in found["levels"]}
    assert not levels["strict"]["works"]
    assert levels["confined"]["works"], levels["confined"]


@pytest.mark.timeout(60)
def test_more_than_a_user_can_give_is_refused(tmp_path: Path) -> None:
    done = as_user("-c", RUN)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results["demanding"] == "refused"
    for level in ("user", "confined"):
        assert results[level] == {
            "value": "ok",
            "daemon": "ok",
            "loop": "timeout",
            "memory": "memory",
            "left": [],
        }, results


@pytest.mark.timeout(60)
def test_the_users_other_programs_are_left_alone() -> None:
    options = ["--only", "watches", "--only", "limits-of-others", "--no-control", "--json"]
    done = as_user("-m", "treadle", "sandbox", "selftest", *options)
    found = json.loads(done.stdout)
    if found["level"] != "user":
        lacking(f"no user namespaces for ordinary users: {found}")
    assert {each["name"]: each["verdict"] for each in found["attacks"]} == {
        "watches": "held",
        "limits-of-others": "held",
    }, found


RUN = """
import asyncio, json, os
from treadle.tools.sandbox import *
from treadle.tools.sandbox.execution import Job
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.levels.catalogue import runner_of

DAEMON = '''
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(300)
    os._exit(0)
'''
CODES = {
    "value": "6 * 7", "daemon": DAEMON, "loop": "import time; time.sleep(60)",
    "memory": "x = bytearray(10 ** 9)",
}

def mine():
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat("/proc/" + name).st_uid == os.getuid():
                command = open(f"/proc/{name}/cmdline", "rb").read()
                if b"import marshal" in command and int(name) != os.getpid():
                    found.append(name)
        except OSError:
            pass
    return found

async def main():
    async with Sandbox() as sandbox:
        refused = await sandbox.run("1", policy=SandboxPolicy(min_level=SandboxLevel.STRICT))
    results = {"demanding": refused.status}
    for level in (SandboxLevel.USER, SandboxLevel.CONFINED):
        runner = runner_of(level)
        results[level] = {}
        for name, code in CODES.items():
            limits = SandboxLimits(seconds=3.0)
            result = await runner.run(Job(code, None, {}, WantedFiles(()), limits))
            results[level][name] = result.status
        results[level]["left"] = mine()
    print(json.dumps(results))

asyncio.run(main())
"""

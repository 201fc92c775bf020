"""The sandbox as an ordinary user starts it, in a process that has become one."""

import json
import os
from pathlib import Path

import pytest
from tests.tools.sandbox.machine import lacking
from tests.tools.sandbox.ordinary_user import as_user


@pytest.mark.timeout(180)
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


@pytest.mark.timeout(180)
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


@pytest.mark.timeout(180)
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
            limits = SandboxLimits(seconds=3.0 if name == "loop" else 30.0)
            result = await runner.run(Job(code, None, {}, WantedFiles(()), limits))
            results[level][name] = result.status
        results[level]["left"] = mine()
    print(json.dumps(results))

asyncio.run(main())
"""

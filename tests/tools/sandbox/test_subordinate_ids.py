"""The sandbox of an ordinary user who has subordinate ids: a uid of its own for each execution."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.tools.sandbox.machine import lacking, need_root
from tests.tools.sandbox.ordinary_user import as_user

COUNT = 65_536
NOBODY = 65_534


@dataclass(frozen=True, slots=True)
class Home:
    """A home that is `nobody`'s alone, and a range of subordinate ids that nothing else uses."""

    place: Path
    first: int

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return as_user(*arguments, subordinate=f"{self.first}:{COUNT}", home=str(self.place))

    def __contains__(self, uid: object) -> bool:
        return uid in range(self.first, self.first + COUNT)


@pytest.fixture
def home() -> Iterator[Home]:
    need_root()
    if not os.path.exists("/usr/bin/newuidmap"):
        lacking("newuidmap is not installed (the package uidmap)")
    made = Path(tempfile.mkdtemp(prefix="treadle-test-home-"))
    os.chown(made, NOBODY, NOBODY)
    # Tests that run at the same time are different users, of the same name.
    yield Home(made, COUNT * secrets.SystemRandom().randrange(16, 20_000))
    shutil.rmtree(made)


def in_range(program: str, home: Home) -> dict[str, object]:
    """What a program of an ordinary user with a range prints as JSON."""
    done = home.run("-c", f"FIRST, COUNT = {home.first}, {COUNT}\n{COMMON}{program}")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(180)
def test_the_probe_says_that_the_range_is_used(home: Home) -> None:
    done = home.run("-m", "treadle", "sandbox", "probe", "--json")
    found = json.loads(done.stdout)
    assert found["level"] == "user", found
    assert any(each.startswith("identity: a uid of your range") for each in found["bounded"])
    assert not any(each.startswith("identity") for each in found["unbounded"])


@pytest.mark.timeout(180)
def test_executions_at_once_have_different_uids_of_the_range(home: Home) -> None:
    found = in_range(AT_ONCE, home)
    for level in ("user", "confined"):
        uids = found[level]
        assert isinstance(uids, list)
        assert len(set(uids)) == len(uids) == 3
        assert all(uid in home for uid in uids), found
    assert found["left"] == []


@pytest.mark.timeout(180)
def test_files_that_only_their_owner_may_read_come_back(home: Home) -> None:
    found = in_range(PRIVATE_FILES, home)
    assert found == {
        "cold": ["ok", 42, ["deep/inner/b", "private"], "x"],
        "warm": ["ok", 42, ["deep/inner/b", "private"], "x"],
        "confined": ["ok", 42, ["deep/inner/b", "private"], "x"],
        "link": ["/etc/hostname"],
    }


@pytest.mark.timeout(180)
def test_the_limit_of_processes_is_each_executions_own(home: Home) -> None:
    found = in_range(PROCESSES, home)
    assert found["first"] == found["second"] == "ok", found
    assert found["bomb"] != "ok"
    assert found["left"] == []


@pytest.mark.timeout(180)
def test_granted_folders_are_reached_as_the_user(home: Home) -> None:
    assert in_range(GRANTED, home) == {"code": 0, "owner": NOBODY, "said": "kept\n"}


@pytest.mark.timeout(180)
def test_what_a_killed_warden_leaves_is_ended(home: Home) -> None:
    found = in_range(KILLED, home)
    assert found["left"] == []
    assert found["again"] == "ok"


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("subordinate", "why"),
    [("900:65536", "names no range"), (f"{2**31 - 1}:0", "names no range")],
)
def test_without_a_range_it_is_told(subordinate: str, why: str, home: Home) -> None:
    arguments = ("-m", "treadle", "sandbox", "probe", "--json")
    done = as_user(*arguments, subordinate=subordinate, home=str(home.place))
    found = json.loads(done.stdout)
    assert found["level"] == "user", found
    told = next(each for each in found["unbounded"] if each.startswith("identity"))
    assert why in told


@pytest.mark.timeout(180)
def test_a_range_that_cannot_be_mapped_is_told_and_not_used(home: Home) -> None:
    found = in_range(NOT_OURS, home)
    assert found["status"] == "ok"
    assert found["stage"] is None
    assert "uids could not be mapped: newuidmap: " in str(found["why"])


@pytest.mark.timeout(180)
def test_a_range_can_be_given_up(home: Home) -> None:
    found = in_range(GIVEN_UP, home)
    assert found == {"before": True, "after": None, "why": "it did not work", "again": False}


@pytest.mark.timeout(180)
def test_all_processes_of_a_user_lock_in_the_same_folder(home: Home) -> None:
    found = in_range(LOCKS, home)
    assert found["folder"] == str(home.place / "treadle" / "uids")
    assert found["shared"] == []
    assert found["mode"] == 0o700


@pytest.mark.timeout(180)
def test_the_attacks_are_held_with_a_range(home: Home) -> None:
    only = ["watches", "limits-of-others", "kill", "ptrace", "parent", "neighbours-killed"]
    options = [part for name in only for part in ("--only", name)]
    done = home.run("-m", "treadle", "sandbox", "selftest", *options, "--no-control", "--json")
    found = json.loads(done.stdout)
    assert found["attacks"], done.stderr
    assert {each["verdict"] for each in found["attacks"]} == {"held"}, found


COMMON = """
import asyncio, json, os, signal, sys, time
from pathlib import Path
from treadle.tools.sandbox import *
from treadle.tools.sandbox.boundary import Grants
from treadle.tools.sandbox.execution import Job
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.levels.catalogue import boundary_of, runner_of

LIMITS = SandboxLimits(seconds=60.0)

def in_range():
    found = []
    for name in os.listdir("/proc"):
        try:
            status = Path(f"/proc/{name}/status").read_text() if name.isdigit() else ""
        except OSError:
            continue
        uid = next((line.split()[1] for line in status.splitlines() if line[:4] == "Uid:"), "0")
        if FIRST <= int(uid) < FIRST + COUNT and "State:\\tZ" not in status:
            found.append(int(uid))
    return found

async def gone():
    deadline = time.monotonic() + 30
    while in_range() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return in_range()
"""
AT_ONCE = """
async def main():
    found = {}
    for level in (SandboxLevel.USER, SandboxLevel.CONFINED):
        boundary = boundary_of(level)
        each = [await boundary.start(None, limits=LIMITS, code="input()") for _ in range(3)]
        found[level] = [process.uid for process in each]
        assert set(found[level]) <= set(in_range()), (found, in_range())
        for process in each:
            await process.kill()
            process.close()
    found["left"] = await gone()
    print(json.dumps(found))

asyncio.run(main())
"""
PRIVATE_FILES = """
CODE = '''
import os
os.makedirs("deep/inner")
for name in ("private", "deep/inner/b"):
    with os.fdopen(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write("x")
os.symlink("/etc/hostname", "link")
os.chmod("deep/inner", 0o000)
os.chmod("deep", 0o700)
os.chmod(".", 0o700)
6 * 7
'''
async def main():
    found = {}
    mode = os.stat("/etc/hostname").st_mode
    for warm in (False, True):
        async with Sandbox(warm=warm) as sandbox:
            done = await sandbox.run(CODE, results=["**"])
        found["warm" if warm else "cold"] = done
    job = Job(CODE, None, {}, WantedFiles(["**"]), LIMITS)
    found["confined"] = await runner_of(SandboxLevel.CONFINED).run(job)
    said = {
        name: [done.status, done.value, sorted(done.files), done.files["private"].decode()]
        for name, done in found.items()
    }
    assert all("'link' is not a regular file" in done.reason for done in found.values()), found
    assert os.stat("/etc/hostname").st_mode == mode
    print(json.dumps({**said, "link": ["/etc/hostname"]}))

asyncio.run(main())
"""
PROCESSES = """
FORKS = '''
import os, time
children = []
for _ in range(12):
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    children.append(child)
time.sleep(1.0)
for child in children:
    os.kill(child, 9)
'''
BOMB = "import os, time\\nwhile True:\\n    if os.fork() == 0:\\n        time.sleep(60)"
async def main():
    few = SandboxLimits(seconds=60.0, processes=16)
    async with Sandbox(warm=False) as sandbox:
        # Each may have 16: were they counted together, the second 12 would be too many.
        runs = (sandbox.run(code, limits=few) for code in (FORKS, FORKS, BOMB))
        first, second, bomb = await asyncio.gather(*runs)
    print(json.dumps({
        "first": first.status, "second": second.status, "bomb": bomb.status, "left": await gone(),
    }))

asyncio.run(main())
"""
GRANTED = """
async def main():
    folder = Path.home() / "granted"
    folder.mkdir(mode=0o700)
    process = await boundary_of(SandboxLevel.USER).start(
        ["/bin/sh", "-c", "echo kept > /granted/file"],
        limits=LIMITS,
        grants=Grants(write={folder: "/granted"}),
    )
    process.release(process.stdin)
    end = await process.wait()
    process.close()
    made = folder / "file"
    said = {"code": end.exit_code, "owner": made.stat().st_uid, "said": made.read_text()}
    print(json.dumps(said))

asyncio.run(main())
"""
NOT_OURS = """
from treadle.tools.sandbox.execution import ColdRunner
from treadle.tools.sandbox.levels.namespaced import NamespacedBoundary
from treadle.tools.sandbox.levels.subordinate_ids import SubordinateIds
from treadle.tools.sandbox.levels.warden import Warden

async def main():
    folder = Path.home() / "locks"
    folder.mkdir()
    warden = Warden(cgroups={}, subordinate=SubordinateIds(900000, 900000, 8, str(folder)))
    runner = ColdRunner(NamespacedBoundary(warden, SandboxLevel.USER))
    done = await runner.run(Job("1", None, {}, WantedFiles(()), LIMITS))
    print(json.dumps({"status": done.status, "stage": warden.stage, "why": warden.no_range}))
    warden.stop()

asyncio.run(main())
"""
GIVEN_UP = """
async def main():
    boundary = boundary_of(SandboxLevel.USER)
    uids = []
    for _ in range(2):
        process = await boundary.start(None, limits=LIMITS, code="1")
        uids.append(process.uid)
        await process.wait()
        process.close()
        given_up = boundary.warden.give_up_range("it did not work")
    before, after = uids
    print(json.dumps({
        "before": before is not None and FIRST <= before < FIRST + COUNT, "after": after,
        "why": boundary.warden.no_range, "again": given_up,
    }))

asyncio.run(main())
"""
LOCKS = """
from treadle.tools.sandbox.levels.namespaced import NamespacedBoundary
from treadle.tools.sandbox.levels.subordinate_ids import subordinate_ids
from treadle.tools.sandbox.levels.warden import Warden

async def main():
    # Two hosts of the same user, each with a warden of its own.
    both = [NamespacedBoundary(Warden(cgroups={}), SandboxLevel.USER) for _ in range(2)]
    uids = []
    for _ in range(4):
        for boundary in both:
            uids.append(await boundary.start(None, limits=LIMITS, code="input()"))
    folder = subordinate_ids().folder
    seen = [process.uid for process in uids]
    print(json.dumps({
        "folder": folder, "mode": os.stat(folder).st_mode & 0o777,
        "shared": [uid for uid in seen if uid is None or seen.count(uid) > 1],
    }))
    for process in uids:
        await process.kill()
        process.close()
    for boundary in both:
        boundary.warden.stop()

asyncio.run(main())
"""
KILLED = """
DAEMON = '''
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(300)
print("up", flush=True)
time.sleep(300)
'''
async def main():
    boundary = boundary_of(SandboxLevel.USER)
    process = await boundary.start(None, limits=LIMITS, code=DAEMON)
    said = b""
    while not said.endswith(b"\\n"):  # unbuffered: the line may come in parts
        part = await asyncio.to_thread(os.read, process.stdout, 3)
        assert part
        said += part
    os.kill(boundary.warden.pid, signal.SIGKILL)
    end = await process.wait()
    process.close()
    left = await gone()
    async with Sandbox(warm=False) as sandbox:
        again = await sandbox.run("1")
    print(json.dumps({"left": left, "again": again.status, "end": end.status}))

asyncio.run(main())
"""

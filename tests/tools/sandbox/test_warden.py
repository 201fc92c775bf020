"""What becomes of executions when the processes around them are killed."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tools.sandbox.machine import need, need_root

from treadle.core.errors import ToolError
from treadle.tools.sandbox import SandboxLevel, SandboxLimits
from treadle.tools.sandbox.boundary import Grants
from treadle.tools.sandbox.levels.cgroup_places import cgroup_parents
from treadle.tools.sandbox.levels.namespaced import NamespacedBoundary
from treadle.tools.sandbox.levels.uid_range import UidRange
from treadle.tools.sandbox.levels.warded_process import WardedProcess
from treadle.tools.sandbox.levels.warden import Warden
from treadle.tools.sandbox.levels.warden_side.uid_pool import UidPool

LIMITS = SandboxLimits(seconds=60.0)
MARK = "treadle-test-survivor"
SURVIVOR = f"import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(300)  # {MARK}\n    os._exit(0)\nprint('up', flush=True)\ntime.sleep(300)"


async def until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def under(uid: int) -> list[int]:
    """Processes of a uid that are no zombies."""
    found = []
    for place in Path("/proc").iterdir():
        try:
            status = (place / "status").read_text() if place.name.isdigit() else ""
        except OSError:
            continue
        if f"\nUid:\t{uid}\t" in status and "\nState:\tZ" not in status:
            found.append(int(place.name))
    return found


async def up(boundary: NamespacedBoundary) -> WardedProcess:
    process = await boundary.start(None, limits=LIMITS, code=SURVIVOR)
    said = b""
    while said != b"up\n":  # unbuffered: the line may come in parts
        part = await asyncio.to_thread(os.read, process.stdout, 10)
        assert part
        said += part
    return process


@pytest.fixture
def strict() -> NamespacedBoundary:
    boundary = need(SandboxLevel.STRICT)
    assert isinstance(boundary, NamespacedBoundary)
    return boundary


async def test_kill_ends_daemons_too(strict: NamespacedBoundary) -> None:
    process = await up(strict)
    assert process.uid is not None
    uid = process.uid
    # The daemon comes to be while its parent goes away: one look at /proc may miss both.
    await until(lambda: len(under(uid)) >= 4)
    await process.kill("killed", "no longer wanted")
    end = await process.wait()
    assert (end.status, end.exit_code, end.reason) == ("killed", None, "no longer wanted")
    assert under(process.uid) == []
    await process.kill()
    process.close()


async def test_letting_go_ends_it(strict: NamespacedBoundary) -> None:
    process = await up(strict)
    uid = process.uid
    assert uid is not None
    process.close()
    await until(lambda: under(uid) == [])
    await until(lambda: not left_cgroups(uid))


async def test_a_cancelled_wait_leaves_the_process_to_be_ended(strict: NamespacedBoundary) -> None:
    process = await up(strict)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await process.wait()
    await process.kill("timeout", "enough")
    assert (await process.wait()).status == "timeout"
    process.close()


async def test_a_killed_warden_takes_everything_along(strict: NamespacedBoundary) -> None:
    own = NamespacedBoundary(Warden(cgroups=cgroup_parents()), SandboxLevel.STRICT)
    process = await up(own)
    uid = process.uid
    assert uid is not None
    assert own.warden.pid is not None
    os.kill(own.warden.pid, signal.SIGKILL)
    end = await process.wait()
    assert end.status == "killed"
    process.close()
    await until(lambda: under(uid) == [])
    # The next one begins anew, and sweeps away what the killed one has left.
    again = await up(own)
    assert not left_cgroups(uid) or again.uid == uid
    await again.kill()
    again.close()
    own.warden.stop()


def left_cgroups(uid: int) -> list[str]:
    places = (Path(parent, f"treadle-{uid}") for parent in cgroup_parents().values())
    return [str(place) for place in places if place.exists()]


async def test_a_killed_host_leaves_nothing(strict: NamespacedBoundary) -> None:
    program = textwrap.dedent(
        f"""
        import asyncio, os
        from treadle.tools.sandbox import SandboxLevel, SandboxLimits
        from treadle.tools.sandbox.levels.catalogue import boundary_of
        async def main():
            started = await boundary_of(SandboxLevel.STRICT).start(
                None, limits=SandboxLimits(seconds=60), code={SURVIVOR!r})
            os.read(started.stdout, 10)
            print(started.uid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
        """
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        uid = int(await asyncio.to_thread(host.stdout.readline))
        assert under(uid)
        host.kill()
    await until(lambda: under(uid) == [])
    await until(lambda: not left_cgroups(uid))


async def test_uids_are_never_shared(tmp_path: Path) -> None:
    need_root()
    one, other = (UidPool(str(tmp_path / "uids"), 2_050_000_000, 4) for _ in range(2))
    leases = [one.lease(), other.lease(), one.lease(), other.lease()]
    assert len({uid for uid, _ in leases}) == 4
    with pytest.raises(BlockingIOError):
        one.lease()
    uid, held = leases[2]
    one.release(held)
    assert other.lease()[0] == uid
    for _uid, held in leases[:2] + leases[3:]:
        os.close(held)


async def test_all_uids_in_use_is_said_and_can_be_tried_again(tmp_path: Path) -> None:
    need(SandboxLevel.STRICT)
    few = Warden(cgroups={}, uids=UidRange(2_100_000_000, 1))
    boundary = NamespacedBoundary(few, SandboxLevel.USER)
    process = await boundary.start(["sleep", "60"], limits=LIMITS)
    with pytest.raises(ToolError) as caught:
        await boundary.start(["true"], limits=LIMITS)
    assert (caught.value.code, caught.value.retryable) == ("sandbox_busy", True)
    await process.kill()
    process.close()
    after = await boundary.start(["true"], limits=LIMITS)
    assert (await after.wait()).status == "ok"
    after.close()
    few.stop()


async def test_what_is_granted_appears_with_its_owner_s_rights(
    strict: NamespacedBoundary, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "note").write_text("granted")
    (private / "note").chmod(0o600)
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o700)
    grants = Grants(
        read={private: "/granted/in"}, write={shared: "/granted/out"}, environment={"NAME": "x"}
    )
    script = (
        "cat /granted/in/note; echo $NAME; echo made > /granted/out/f; echo no > /granted/in/note"
    )
    process = await strict.start(["sh", "-c", script], limits=LIMITS, grants=grants)
    end = await process.wait()
    assert os.read(process.stdout, 100) == b"grantedx\n", os.read(process.stderr, 500)
    assert b"Read-only" in os.read(process.stderr, 500)
    assert end.status == "error"
    process.close()
    made = shared / "f"
    assert made.read_text() == "made\n"
    assert made.stat().st_uid == shared.stat().st_uid
    assert (private / "note").read_text() == "granted"


async def test_a_folder_is_granted_where_a_file_was_before_and_the_other_way_round(
    strict: NamespacedBoundary, tmp_path: Path
) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    file.write_text("of the file")
    (folder / "inner").write_text("of the folder")
    seen = []
    for granted, command in ((file, "cat /in"), (folder, "cat /in/inner"), (file, "cat /in")):
        grants = Grants(read={granted: "/in"})
        process = await strict.start(["sh", "-c", command], limits=LIMITS, grants=grants)
        await process.wait()
        seen.append(os.read(process.stdout, 100))
        process.close()
    assert seen == [b"of the file", b"of the folder", b"of the file"]


async def test_a_grant_that_is_not_there(strict: NamespacedBoundary, tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        await strict.start(["true"], limits=LIMITS, grants=Grants(read={tmp_path / "no": "/in"}))
    assert caught.value.code == "sandbox_failed"

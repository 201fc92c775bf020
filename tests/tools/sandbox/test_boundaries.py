"""Which level is chosen, and what is refused."""

import asyncio
import os

import pytest
from tests.tools.sandbox.machine import need

from treadle.core.errors import InputError, ToolError
from treadle.tools.sandbox import (
    LevelReport,
    Sandbox,
    SandboxLevel,
    SandboxLimits,
    SandboxPolicy,
    SandboxProbe,
    probe_async,
)
from treadle.tools.sandbox.boundaries import strongest_boundary, strongest_runner


async def test_the_strongest_that_works_is_taken() -> None:
    need(SandboxLevel.STRICT)
    found = await probe_async()
    assert found.strongest is not None
    assert found.strongest.level is SandboxLevel.STRICT
    assert strongest_boundary(SandboxPolicy()).level is SandboxLevel.STRICT
    assert (await strongest_runner(SandboxPolicy())).level is SandboxLevel.STRICT


async def test_the_probe_says_in_words_what_is_bounded() -> None:
    found = await probe_async()
    for report in found.levels:
        assert report.level is not SandboxLevel.UNSAFE
        assert bool(report.bounded) == report.works
        assert bool(report.reason) != report.works
    document = found.as_json()
    assert set(document) == {"level", "bounded", "unbounded", "levels"}


async def test_unsafe_must_be_asked_for_twice() -> None:
    both = SandboxPolicy(min_level=SandboxLevel.UNSAFE, unsafe=True)
    async with Sandbox(warm=False, machine=machine()) as sandbox:
        result = await sandbox.run("print('bare')\n6 * 7", policy=both)
    assert (result.status, result.stdout, result.value) == ("ok", "bare\n", 42)
    assert result.level is SandboxLevel.UNSAFE
    async with Sandbox(warm=False, machine=machine(SandboxLevel.CONFINED)) as sandbox:
        stronger = await sandbox.run("6 * 7", policy=both)
    assert stronger.level is SandboxLevel.CONFINED


@pytest.mark.parametrize(
    "policy",
    [
        SandboxPolicy(),
        SandboxPolicy(unsafe=True),
        SandboxPolicy(min_level=SandboxLevel.UNSAFE),
        SandboxPolicy(min_level=SandboxLevel.STRICT),
    ],
)
async def test_where_nothing_works_everything_is_refused(policy: SandboxPolicy) -> None:
    nothing = machine()
    async with Sandbox(machine=nothing) as sandbox:
        result = await sandbox.run("open('/tmp/ran', 'x')", policy=policy)
    assert (result.status, result.exit_code) == ("refused", None)
    assert result.reason.startswith("sandbox_unavailable: ")
    with pytest.raises(ToolError) as caught:
        strongest_boundary(policy, nothing)
    assert caught.value.code == "sandbox_unavailable"


def machine(*works: SandboxLevel) -> SandboxProbe:
    """A machine where only these levels work."""
    return SandboxProbe(
        tuple(
            LevelReport(level, level in works, "" if level in works else "taken away")
            for level in reversed(SandboxLevel)
            if level is not SandboxLevel.UNSAFE
        )
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"code": "1", "command": ["true"]},
        {"command": []},
        {"command": [""]},
        {"command": "true"},
        {"command": ["a\0b"]},
        {"code": "\udc80"},
        {"code": "x" * (9 << 20)},
        {"code": "1", "files": {"../x": b""}},
        {"code": "1", "files": {"/x": b""}},
        {"code": "1", "results": ["/etc/*"]},
        {"code": "1", "results": ["a/../../b"]},
        {"code": "1", "results": "**"},
        {"code": "1", "limits": SandboxLimits(seconds=0)},
        {"code": "1", "limits": SandboxLimits(seconds=float("nan"))},
        {"code": "1", "limits": SandboxLimits(seconds=float("inf"))},
        {"code": "1", "limits": SandboxLimits(memory_bytes=float("inf"))},  # type: ignore[arg-type]
        {"code": "1", "limits": SandboxLimits(memory_bytes=-1)},
        {"code": "1", "limits": SandboxLimits(processes=0)},
    ],
)
async def test_input_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    async with Sandbox(warm=False) as sandbox:
        result = await sandbox.run(**wrong)  # type: ignore[arg-type]
    assert result.status == "refused"
    assert result.reason.startswith(("bad_sandbox_input: ", "bad_sandbox_file: "))


async def test_every_level_below_the_policy_is_refused() -> None:
    need(SandboxLevel.CONFINED)
    async with Sandbox(warm=False, machine=machine(SandboxLevel.CONFINED)) as sandbox:
        weak = await sandbox.run("1")
        assert (weak.status, weak.level) == ("ok", SandboxLevel.CONFINED)
        demanding = await sandbox.run("1", policy=SandboxPolicy(min_level=SandboxLevel.USER))
    assert demanding.status == "refused"
    assert "the strongest that works here is confined" in demanding.reason


@pytest.mark.parametrize("warm", [False, True])
async def test_time_on_the_processor_need_not_be_limited(warm: bool) -> None:
    need(SandboxLevel.STRICT)
    limits = SandboxLimits(seconds=5.0, cpu_seconds=float("inf"))
    async with Sandbox(warm=warm, limits=limits) as sandbox:
        result = await sandbox.run("import resource\nresource.getrlimit(resource.RLIMIT_CPU)[0]")
    assert (result.status, result.value if not warm else -1) == ("ok", -1)


async def test_a_process_may_have_all_the_time_there_is() -> None:
    need(SandboxLevel.STRICT)
    endless = SandboxLimits(seconds=float("inf"), cpu_seconds=float("inf"))
    process = await strongest_boundary(SandboxPolicy()).start(["/bin/cat"], limits=endless)
    os.write(process.stdin, b"still here")
    assert await asyncio.to_thread(os.read, process.stdout, 100) == b"still here"
    process.release(process.stdin)
    end = await process.wait()
    assert (end.status, end.exit_code) == ("ok", 0)
    process.close()


async def test_a_session_of_the_sandbox() -> None:
    need(SandboxLevel.STRICT)
    async with Sandbox() as sandbox:
        async with sandbox.session("python") as session:
            await session.run("x = 6")
            assert (await session.run("x * 7")).value == 42
            assert session.level is SandboxLevel.STRICT
        assert session.ended
        with pytest.raises(InputError, match="seconds"):
            async with sandbox.session("python", limits=SandboxLimits(seconds=float("inf"))):
                pass


async def test_a_session_below_the_policy_is_refused() -> None:
    async with Sandbox(machine=machine(SandboxLevel.CONFINED)) as sandbox:
        demanding = SandboxPolicy(min_level=SandboxLevel.USER)
        with pytest.raises(ToolError) as caught:
            async with sandbox.session("python", policy=demanding):
                pass
    assert caught.value.code == "sandbox_unavailable"

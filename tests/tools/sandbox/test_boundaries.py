"""Which level is chosen, and what is refused."""

import pytest
from tests.tools.sandbox.machine import need

from treadle.core.errors import ToolError
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

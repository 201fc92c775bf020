"""Whole executions with a guest that says anything: always a result or a coded error."""

import asyncio
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tools.sandbox.warm.scripted_guest import ScriptedBoundary

from treadle.core.errors import ToolError
from treadle.tools.sandbox.boundary import BoundaryEnd
from treadle.tools.sandbox.contract import SandboxLimits, SandboxUsage
from treadle.tools.sandbox.frames import encode_frame
from treadle.tools.sandbox.warm import WarmPool

SMALL = SandboxLimits(seconds=0.2, output_bytes=64)
DONE = {"kind": "done", "ended": "exit", "code": 0, "cpu": 0.1, "memory": 1}
TURN = {"kind": "turn", "command": "r", "status": 0, "sound": True}
WIPED = {**TURN, "command": "w"}
IDLE_END = BoundaryEnd("ok", 0, "", SandboxUsage())


def said(*messages):
    return b"".join(encode_frame(message) for message in messages)


async def run(boundary, **options):
    pool = WarmPool(boundary, size=1, **options)
    try:
        async with asyncio.timeout(15):
            return await pool.run("1", limits=SMALL)
    finally:
        await pool.close()


data = st.sampled_from(["", "aGk=", "a", "ajE=", "eE1lbW9yeUVycm9y", "A" * 200])
fields = {
    "data": data,
    "python": st.text(max_size=3),
    "reason": st.text(max_size=3),
    "ended": st.sampled_from(["exit", "signal", "timeout", "overrun", "nothing"]),
    "code": st.integers(-1, 256),
    "cpu": st.floats(-1, 1),
    "memory": st.integers(-1, 10),
    "command": st.sampled_from(["r", "w", "x"]),
    "status": st.integers(-9, 3),
    "sound": st.booleans(),
}
kinds = {
    "ready": ["python"],
    "out": ["data"],
    "err": ["data"],
    "value": ["data"],
    "refused": ["reason"],
    "done": ["ended", "code", "cpu", "memory"],
    "turn": ["command", "status", "sound"],
}
frames = st.sampled_from(sorted(kinds)).flatmap(
    lambda kind: st.fixed_dictionaries(
        {"kind": st.just(kind), **{name: fields[name] for name in kinds[kind]}}
    )
)
parts = st.one_of(frames.map(encode_frame), st.just(said(DONE, TURN)), st.binary(max_size=12))


@settings(max_examples=150, deadline=None)
@given(st.lists(parts, max_size=8).map(b"".join))
async def test_any_conversation_ends_in_a_result(script):
    boundary = ScriptedBoundary(script)
    result = await run(boundary)
    assert result.status in ("ok", "error", "timeout", "memory", "killed", "refused")
    assert len(result.stdout) <= 64
    assert len(result.stderr) <= 64
    assert len(boundary.started[0].ends) <= 1, "it is ended once at most"


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"garbage",
        said(DONE),
        said(TURN),
        said({"kind": "ready", "python": "3"}),
        said({**DONE, "ended": "never"}),
        said({**DONE, "code": 4711}, TURN),
        said({**DONE, "cpu": -1.0}, TURN),
        said(DONE, {**TURN, "status": 3}),
        said(DONE, {**TURN, "sound": False}),
        said(DONE, WIPED),
        said({"kind": "out", "data": ""}, DONE, TURN),
        said(*[{"kind": "out", "data": "aGk="}] * 40, DONE, TURN),
    ],
)
async def test_a_conversation_that_cannot_be_ends_the_boundary(script):
    boundary = ScriptedBoundary(script)
    result = await run(boundary)
    assert result.status == "killed"
    assert result.reason
    assert (result.value, result.exit_code) == (None, None)


async def test_a_guest_that_is_silent_is_ended_in_time():
    boundary = ScriptedBoundary(b"", silent=True)
    result = await run(boundary)
    assert result.status == "timeout"
    assert len(boundary.started[0].ends) == 1


async def test_a_worker_that_could_not_be_wiped_is_not_used_again():
    boundary = ScriptedBoundary(
        said(DONE, TURN, {**WIPED, "status": 3}), said(DONE, TURN, WIPED), silent=True
    )
    pool = WarmPool(boundary, size=1)
    assert [(await pool.run("1", limits=SMALL)).status for _ in range(2)] == ["ok", "ok"]
    assert len(boundary.started) == 2
    assert len(boundary.started[0].ends) == 1
    await pool.close()
    assert len(boundary.started[1].ends) == 1


async def test_a_worker_is_used_again_until_it_has_had_its_executions():
    twice = said(DONE, TURN, WIPED, DONE, TURN, WIPED)
    boundary = ScriptedBoundary(twice, twice, silent=True)
    pool = WarmPool(boundary, size=1, executions=2)
    for _ in range(3):
        assert (await pool.run("1", limits=SMALL)).status == "ok"
    assert len(boundary.started) == 2
    await pool.close()


async def test_a_worker_that_had_ended_before_it_began_is_replaced():
    class Idle(ScriptedBoundary):
        async def start(self, argv, *, limits, grants=None, code=None):
            process = await super().start(argv, limits=limits, grants=grants)
            process._end = IDLE_END
            return process

    boundary = Idle(b"", said(DONE, TURN, WIPED))
    assert (await run(boundary)).status == "ok"
    assert len(boundary.started) == 2
    with pytest.raises(ToolError) as caught:
        await run(Idle(b"", b"", b"", b""))
    assert caught.value.code == "sandbox_failed"


async def test_a_boundary_that_ended_it_for_its_memory_says_so():
    end = BoundaryEnd("memory", None, "too much memory", SandboxUsage(1.0, 2))
    result = await run(
        ScriptedBoundary(said({**DONE, "ended": "signal", "code": 9}, TURN), end=end)
    )
    assert (result.status, result.reason) == ("memory", "too much memory")
    assert result.usage.peak_memory_bytes == 2


async def test_what_does_not_start_is_a_coded_error():
    class Mute(ScriptedBoundary):
        async def start(self, argv, *, limits, grants=None, code=None):
            process = await super().start(argv, limits=limits, grants=grants)
            os.read(process.stdout, 65536)
            os.write(process.stdin, b"x")
            return process

    with pytest.raises(ToolError) as caught:
        await run(Mute(b""))
    assert caught.value.code == "sandbox_failed"

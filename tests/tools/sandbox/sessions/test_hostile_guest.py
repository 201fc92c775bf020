"""Sessions with a guest that says anything: always a result or a coded error."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tools.sandbox.warm.scripted_guest import ScriptedBoundary

from treadle.tools.sandbox.contract import SandboxLimits
from treadle.tools.sandbox.frames import encode_frame
from treadle.tools.sandbox.sessions import SessionEnded, open_session

CALLED = {"kind": "called", "ended": "report", "code": 0, "lost": False}
frames = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["out", "err", "value"]), "data": st.sampled_from(["", "aGk=", "ajE="])}
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("called"),
            "ended": st.sampled_from(["report", "timeout", "overrun", "signal", "exit", "nothing"]),
            "code": st.integers(-1, 256),
            "lost": st.booleans(),
        }
    ),
    st.just({"kind": "ready", "python": "3"}),
)  # fmt: skip
parts = st.one_of(frames.map(encode_frame), st.binary(max_size=12))


@settings(max_examples=150, deadline=None)
@given(st.lists(parts, max_size=8).map(b"".join))
async def test_any_conversation_ends_in_results_or_the_end_of_the_session(script):
    boundary = ScriptedBoundary(script)
    session = await open_session(
        "python", boundary, limits=SandboxLimits(seconds=0.2, output_bytes=64)
    )
    async with asyncio.timeout(15):
        for _ in range(4):
            try:
                result = await session.run("1")
            except SessionEnded:
                assert session.ended
                break
            assert result.status in ("ok", "error", "timeout", "memory", "killed")
            assert len(result.stdout) <= 64
        await session.close()
    assert len(boundary.started[0].ends) <= 1


async def test_a_well_formed_conversation_is_taken():
    script = encode_frame({"kind": "value", "data": "ajQy"}) + encode_frame(CALLED)
    session = await open_session("python", ScriptedBoundary(script, silent=True))
    assert (await session.run("x")).value == 42
    await session.close()

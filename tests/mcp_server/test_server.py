"""The server with a real client in memory, of both generations of the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, MCPError
from tests.mcp_server import things

from treadle import Runtime
from treadle.core.errors import ConfigError
from treadle.mcp_server import exposed_by, make_server
from treadle.testing import ScriptedModel
from treadle.tools import Effect

PLAN = {"steps": [{"id": "a", "tool": "double", "args": {"n": 21}}], "answer": "it is ${a}"}


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def client(
    mode: str = "auto", *, ask: Any = None, approval_seconds: float = 60.0, **options: Any
) -> AsyncIterator[Client]:
    model = ScriptedModel(lambda request: PLAN)
    tools = [*things.TOOLS, things.writer]
    async with Runtime(model=model, tools=tools, builtins=False, **options) as runtime:
        objects = [(each.function.__name__, each) for each in things.WORKFLOWS]
        exposed = exposed_by(
            [*objects, ("double", things.double), ("writer", things.writer), ("do", runtime)],
            runtime,
        )
        server = make_server(exposed, approval_seconds=approval_seconds)
        async with Client(server, mode=mode, elicitation_callback=ask) as connected:
            yield connected


async def test_what_is_offered(mode: str) -> None:
    async with client(mode) as connected:
        listed = {each.name: each for each in (await connected.list_tools()).tools}
    assert list(listed) == ["twice", "post", "broken", "rest", "double", "writer", "do"]
    assert listed["twice"].description == "Double twice."
    assert listed["twice"].input_schema["properties"]["n"] == {
        "type": "integer",
        "description": "The number to begin with.",
    }
    assert listed["twice"].input_schema["required"] == ["n"]
    assert listed["do"].input_schema["required"] == ["task"]
    hints = listed["double"].annotations
    assert hints is not None
    assert (hints.read_only_hint, hints.destructive_hint) == (True, False)
    hints = listed["do"].annotations
    assert hints is not None
    assert (hints.read_only_hint, hints.destructive_hint) == (False, True)


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("twice", {"n": 3}, "got 12"),
        ("twice", {"n": 3, "label": "${x} $"}, "${x} $ 12"),
        ("double", {"n": 4}, 8),
        ("writer", {"task": "a ${poem}"}, "Here it is."),
        ("do", {"task": "double 21"}, "it is 42"),
    ],
)
async def test_calls_are_runs(mode: str, name: str, arguments: dict[str, Any], answer: Any) -> None:
    async with client(mode) as connected:
        result = await connected.call_tool(name, arguments)
    assert not result.is_error
    assert result.structured_content["answer"] == answer
    assert result.structured_content["status"] == "succeeded"
    assert result.structured_content["run_id"].startswith("run_")
    assert result.content[0].type == "text"
    assert result.content[0].text == str(answer)


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("twice", {"n": "many"}, "invalid_arguments"),
        ("twice", {}, "invalid_arguments"),
        ("twice", {"n": 1, "m": 2}, "invalid_arguments"),
        ("nothing", {}, "unknown_tool"),
        ("broken", {}, "tool_failed"),
        ("do", {"task": " "}, "empty_task"),
        ("do", {"task": "x" * 200_000}, "invalid_arguments"),
    ],
)
async def test_failures_have_codes(
    mode: str, name: str, arguments: dict[str, Any], code: str
) -> None:
    async with client(mode) as connected:
        result = await connected.call_tool(name, arguments)
    assert result.is_error
    assert result.structured_content["error"]["code"] == code
    assert result.content[0].type == "text"
    assert result.content[0].text.startswith(f"{code}: ")


async def test_progress_is_told_as_it_goes(mode: str) -> None:
    told: list[tuple[float, str | None]] = []

    async def told_of(
        progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        told.append((progress, message))

    async with client(mode) as connected:
        await connected.call_tool("twice", {"n": 3}, progress_callback=told_of)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1][1] == "2 of 2 steps done: double_2 succeeded"


async def test_a_cancelled_request_cancels_the_run(mode: str) -> None:
    things.started.clear()
    things.stopped.clear()
    async with client(mode) as connected:
        call = asyncio.create_task(connected.call_tool("rest", {"seconds": 3600}))
        async with asyncio.timeout(10):
            while not things.started:
                await asyncio.sleep(0.01)
            call.cancel()
            while not things.stopped:
                await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_person_is_asked_where_the_client_can(mode: str) -> None:
    asked: list[str] = []
    answers = iter(
        [
            types.ElicitResult(action="accept", content={"approve": True}),
            types.ElicitResult(action="accept", content={"approve": False}),
            types.ElicitResult(action="accept", content={}),
            types.ElicitResult(action="decline"),
            types.ElicitResult(action="cancel"),
        ]
    )

    async def ask(context: Any, parameters: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(parameters.message)
        return next(answers)

    things.sent.clear()
    async with client(mode, ask=ask) as connected:
        results = [await connected.call_tool("post", {"to": f"n{i}\x1b[31m"}) for i in range(5)]
    assert things.sent == ["n0\x1b[31m"]
    assert [each.is_error for each in results] == [False, True, True, True, True]
    codes = {each.structured_content["error"]["code"] for each in results[1:]}
    assert codes == {"approval_denied"}
    assert len(asked) == 5
    assert "send [irreversible]" in asked[0]
    assert "\x1b" not in asked[0]


async def test_nobody_to_ask_is_a_refusal(mode: str) -> None:
    things.sent.clear()
    async with client(mode) as connected:
        result = await connected.call_tool("post", {"to": "you"})
    assert result.is_error
    assert result.structured_content["error"]["code"] == "approval_needed"
    assert things.sent == []


async def test_an_answer_that_never_comes_is_a_no() -> None:
    async def ask(context: Any, parameters: types.ElicitRequestParams) -> types.ElicitResult:
        await asyncio.Event().wait()
        raise AssertionError

    things.sent.clear()
    async with client("legacy", ask=ask, approval_seconds=0.05) as connected:
        result = await connected.call_tool("post", {"to": "you"})
    assert result.structured_content["error"]["code"] == "approval_denied"
    assert things.sent == []


async def asked_for(connected: Client) -> types.InputRequiredResult:
    result = await connected.session.call_tool("post", {"to": "you"}, allow_input_required=True)
    assert isinstance(result, types.InputRequiredResult)
    return result


async def no_answer(context: Any, parameters: types.ElicitRequestParams) -> types.ElicitResult:
    raise AssertionError("the test answers by itself")


async def test_an_answer_counts_for_the_call_that_asked_and_once() -> None:
    yes: Any = {"approval": types.ElicitResult(action="accept", content={"approve": True})}
    things.sent.clear()
    async with client(ask=no_answer) as connected:
        first = await asked_for(connected)
        for arguments, state in (({"to": "me"}, first.request_state), ({"to": "you"}, "guessed")):
            result = await connected.session.call_tool(
                "post", arguments, input_responses=yes, request_state=state
            )
            assert result.structured_content["error"]["code"] == "unknown_request_state"
        assert things.sent == []
        again = {"input_responses": yes, "request_state": first.request_state}
        done = await connected.session.call_tool("post", {"to": "you"}, **again)
        assert done.structured_content["answer"] == "sent to you"
        twice = await connected.session.call_tool("post", {"to": "you"}, **again)
        assert twice.structured_content["error"]["code"] == "unknown_request_state"
    assert things.sent == ["you"]


async def test_a_client_that_does_not_come_back_is_not_waited_for() -> None:
    things.sent.clear()
    async with client(ask=no_answer, approval_seconds=0.05) as connected:
        first = await asked_for(connected)
        yes: Any = {"approval": types.ElicitResult(action="accept", content={"approve": True})}
        await asyncio.sleep(0.3)
        late = await connected.session.call_tool(
            "post", {"to": "you"}, input_responses=yes, request_state=first.request_state
        )
    assert late.structured_content["error"]["code"] == "unknown_request_state"
    assert things.sent == []


async def test_what_is_nothing_to_offer_is_refused() -> None:
    async with Runtime(model=ScriptedModel([]), builtins=False) as runtime:
        for name, each in (("NUMBER", 7), ("double", things.double), ("writer", things.writer)):
            with pytest.raises(ConfigError) as failed:
                exposed_by([(name, each)], runtime)
            assert failed.value.code == "bad_mcp_object"
        with pytest.raises(ConfigError, match="two things"):
            exposed_by([("twice", things.twice), ("twice", things.twice)], runtime)
        assert exposed_by([("do", runtime)], runtime)[0].effect is Effect.READ


async def test_other_methods_are_refused() -> None:
    async with client() as connected:
        with pytest.raises(MCPError):
            await connected.list_resources()

"""The server as `treadle engine` starts it: hints in, control calls, metrics."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace

import httpx
import pytest
from tests.engine.server import KEY, MODEL, EngineServer, wait_until

from treadle.core.chat import ChatRequest, Finished, Message, TextDelta
from treadle.core.program import ProgramHint
from treadle.serving import OpenAIModel
from treadle.serving.vllm_plugin.counters import GAUGES, ProgramCounters

LONG = "This is text enough to fill a few blocks of the cache, whatever it is about. " * 3


@pytest.fixture
def client(engine_server: EngineServer) -> Iterator[httpx.Client]:
    with engine_server.client() as client:
        yield client


@pytest.fixture
async def model(engine_server: EngineServer) -> AsyncIterator[OpenAIModel]:
    model = OpenAIModel(
        "vllm:tiny", model=MODEL, base_url=f"{engine_server.url}/v1", api_key=KEY, backend="vllm"
    )
    yield model
    await model.aclose()


@pytest.fixture
def program() -> str:
    return f"program-{uuid.uuid4().hex[:12]}"


def ask(client: httpx.Client, *, headers: dict[str, str] | None = None, **more: object) -> None:
    client.post("/v1/chat/completions", json=body(**more), headers=headers).raise_for_status()


def body(**more: object) -> dict[str, object]:
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": LONG}],
        "max_tokens": 4,
        "temperature": 0,
        **more,
    }


def test_a_hinted_call_is_held_and_an_ended_program_is_freed_at_once(
    engine_server: EngineServer, client: httpx.Client, program: str
) -> None:
    before = engine_server.counts()
    ask(client, vllm_xargs={"treadle_program_id": program, "treadle_next_tool": "search"})
    held = engine_server.counts()
    assert held["pins"] == before["pins"] + 1
    assert held["pinned_blocks"] > before["pinned_blocks"]
    assert held["live_programs"] == before["live_programs"] + 1

    ended = client.post(f"/treadle/programs/{program}/end")

    after = engine_server.counts()
    assert ended.status_code == 200
    assert ended.json() == {
        "program_id": program,
        "released_blocks": held["pinned_blocks"] - before["pinned_blocks"],
    }
    assert after["pinned_blocks"] == before["pinned_blocks"]
    assert after["live_programs"] == before["live_programs"]
    assert after["program_releases"] == before["program_releases"] + 1


def test_the_next_call_of_a_program_takes_its_hold_over(
    engine_server: EngineServer, client: httpx.Client, program: str
) -> None:
    before = engine_server.counts()
    for _ in range(2):
        ask(client, vllm_xargs={"treadle_program_id": program})
    after = engine_server.counts()
    assert after["pin_hits"] == before["pin_hits"] + 1
    assert after["saved_prefill_tokens"] > before["saved_prefill_tokens"]
    client.post(f"/treadle/programs/{program}/end").raise_for_status()


@pytest.mark.parametrize("place", ["body", "header", "xargs"])
def test_a_session_id_names_a_program(
    engine_server: EngineServer, client: httpx.Client, program: str, place: str
) -> None:
    before = engine_server.counts()
    if place == "body":
        ask(client, session_id=program)
    elif place == "header":
        ask(client, headers={"x-session-id": program})
    else:
        ask(client, vllm_xargs={"session_id": program})
    assert engine_server.counts()["pins"] == before["pins"] + 1
    ended = client.post(f"/treadle/programs/{program}/end").raise_for_status()
    assert ended.json()["released_blocks"] > 0


def test_a_call_without_a_hint_is_not_held(
    engine_server: EngineServer, client: httpx.Client
) -> None:
    before = engine_server.counts()
    ask(client)
    after = engine_server.counts()
    assert (after["pins"], after["held"]) == (before["pins"], before["held"])


def test_nested_hints_are_refused_by_the_server(client: httpx.Client, program: str) -> None:
    nested = body(vllm_xargs={"treadle": {"program_id": program}})
    assert client.post("/v1/chat/completions", json=nested).status_code == 400


def test_a_hint_that_makes_no_sense_is_ignored_and_counted(
    engine_server: EngineServer, client: httpx.Client
) -> None:
    before = engine_server.counts()
    ask(client, vllm_xargs={"treadle_program_id": "x" * 5000, "treadle_last_call": 7})
    after = engine_server.counts()
    assert after["malformed_hints"] > before["malformed_hints"]
    assert after["held"] == before["held"]


def test_a_program_that_is_not_known_has_nothing_to_release(client: httpx.Client) -> None:
    ended = client.post("/treadle/programs/nobody-knows-it/end")
    assert (ended.status_code, ended.json()["released_blocks"]) == (200, 0)


@pytest.mark.parametrize("program", ["", "%20", "%0A", "a%09b", "x" * 257])
def test_a_malformed_program_id_is_refused(client: httpx.Client, program: str) -> None:
    ended = client.post(f"/treadle/programs/{program}/end")
    assert (ended.status_code, ended.json()["error"]["code"]) == (422, "bad_program_id")


def test_an_id_with_slashes_is_one_id(client: httpx.Client) -> None:
    ended = client.post("/treadle/programs/a%2Fb/end/end")
    assert (ended.status_code, ended.json()["program_id"]) == (200, "a/b/end")


@pytest.mark.parametrize("key", ["", "another-key"])
def test_the_routes_want_the_servers_key(engine_server: EngineServer, key: str) -> None:
    with engine_server.client(key) as client:
        assert client.get("/treadle/programs").status_code == 401
        assert client.post("/treadle/programs/p/end").status_code == 401
        # Who may not ask learns nothing about what is malformed either.
        assert client.post("/treadle/programs//end").status_code == 401


def test_the_metrics_say_what_the_scheduler_counts_while_it_is_idle(
    engine_server: EngineServer, client: httpx.Client, program: str
) -> None:
    ask(client, vllm_xargs={"treadle_program_id": program})
    counts = engine_server.counts()
    metrics = engine_server.metrics()
    ours = {
        name: metrics[f"treadle_{name}" if name in GAUGES else f"treadle_{name}_total"]
        for name in ProgramCounters().as_dict()
    }
    assert ours == counts
    assert metrics["treadle_scheduler_up"] == 1
    # vLLM's own are still there.
    assert metrics["vllm:num_requests_running"] == 0
    client.post(f"/treadle/programs/{program}/end").raise_for_status()
    assert engine_server.metrics()["treadle_pinned_blocks"] < metrics["treadle_pinned_blocks"]


def test_a_client_that_leaves_in_the_middle_leaves_no_pin(
    engine_server: EngineServer, client: httpx.Client, program: str
) -> None:
    before = engine_server.counts()
    wanted = body(
        stream=True,
        max_tokens=20_000,
        ignore_eos=True,
        vllm_xargs={"treadle_program_id": program},
    )
    with client.stream("POST", "/v1/chat/completions", json=wanted) as reply:
        next(reply.iter_lines())
    wait_until(lambda: engine_server.metrics()["vllm:num_requests_running"] == 0)
    after = engine_server.counts()
    assert (after["pins"], after["held"]) == (before["pins"], before["held"])
    client.post(f"/treadle/programs/{program}/end").raise_for_status()


async def test_programs_through_our_own_client(
    engine_server: EngineServer, model: OpenAIModel, program: str
) -> None:
    before = engine_server.counts()
    hint = ProgramHint(
        program, "agent", step_id="s1", next_tool="shell", next_tool_seconds=2.5, remaining_calls=2
    )
    messages = [Message("user", LONG)]
    cached = []
    for left in (2, 1, 0):
        asked = replace(hint, remaining_calls=left, last_call=left == 0)
        request = ChatRequest(tuple(messages), max_tokens=8, temperature=0.0, hint=asked)
        text = ""
        async with aclosing(model.stream(request)) as deltas:  # type: ignore[type-var]
            async for delta in deltas:
                text += delta.text if isinstance(delta, TextDelta) else ""
                if isinstance(delta, Finished):
                    cached.append(delta.usage.cached_tokens)
        messages += [Message("assistant", text), Message("user", "And then?")]
    after = engine_server.counts()
    assert model.refused_fields == frozenset()
    assert cached[1] > 0
    assert cached[2] > 0
    assert after["pins"] == before["pins"] + 2
    assert after["pin_hits"] == before["pin_hits"] + 2
    # The last call was told to be the last: nothing is held, and the program is over.
    assert after["held"] == before["held"]
    assert after["live_programs"] == before["live_programs"]
    assert after["malformed_hints"] == before["malformed_hints"]

"""What requests say, what rules make of it, what engines get, what replies show."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import ConfigError
from treadle.serving.router.config import EngineConfig, RouterConfig, checked_config, load_config
from treadle.serving.router.dialect import forwarded_headers, translated
from treadle.serving.router.door import Door
from treadle.serving.router.errors import RouterError
from treadle.serving.router.facts import facts_of
from treadle.serving.router.observer import ReplyObserver
from treadle.serving.router.rules import matching_rule

MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
HINT = {"treadle_program_id": "run_1", "treadle_next_tool": "grep", "treadle_remaining_calls": 3}


def body(**more: object) -> dict[str, Any]:
    return {"model": "m", "messages": MESSAGES, **more}


@pytest.mark.parametrize(
    ("request_body", "headers", "program"),
    [
        (body(vllm_xargs=HINT, session_id="s"), {"x-session-id": "h"}, "run_1"),
        (body(session_id="s"), {"x-treadle-program": "p", "x-session-id": "h"}, "p"),
        (body(session_id="s"), {"x-session-id": "h"}, "s"),
        (body(), {"x-session-id": "h"}, "h"),
        (body(vllm_xargs={"session_id": "v"}), {}, "v"),
        (body(nvext={"agent_hints": {"program_id": "n"}}), {}, "n"),
        (body(nvext={"session_control": {"session_id": "n"}}), {}, "n"),
    ],
)
def test_where_a_program_is_named(
    request_body: dict[str, Any], headers: dict[str, str], program: str
) -> None:
    facts = facts_of(request_body, headers)
    assert (facts.program_id, facts.guessed) == (program, False)


def test_who_names_no_program_is_known_by_how_the_conversation_begins() -> None:
    first = facts_of(body(), {})
    turn = [*MESSAGES, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "?"}]
    later = facts_of(body(messages=turn), {})
    other = facts_of(body(messages=[MESSAGES[0], {"role": "user", "content": "bye"}]), {})
    assert first.guessed
    assert first.program_id == later.program_id != other.program_id
    assert facts_of({"model": "m", "prompt": "once"}, {}).program_id == ""


@pytest.mark.parametrize(
    ("request_body", "headers"),
    [
        (body(vllm_xargs={"treadle_program_id": 7}), {}),
        (body(vllm_xargs={"treadle_program_id": "x" * 300}), {}),
        (body(vllm_xargs={"treadle_remaining_calls": "3"}), {}),
        (body(vllm_xargs={"treadle_remaining_seconds": -1}), {}),
        (body(), {"x-treadle-deadline-seconds": "soon"}),
        (body(session_id="a\nb"), {}),
    ],
)
def test_a_hint_that_is_none_is_refused(
    request_body: dict[str, Any], headers: dict[str, str]
) -> None:
    with pytest.raises(RouterError) as caught:
        facts_of(request_body, headers)
    assert (caught.value.code, caught.value.status) == ("bad_hint", 400)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from(
    ["model", "messages", "prompt", "input", "tools", "vllm_xargs", "nvext", "session_id", "stream"]
)


@given(st.dictionaries(NAMES, JSON))
def test_any_json_object_is_understood_or_refused(document: dict[str, Any]) -> None:
    try:
        facts = facts_of(document, {})
    except RouterError as error:
        assert error.code == "bad_hint"
    else:
        for kind in ("stock", "vllm", "dynamo", "sglang", "openai"):
            translated(document, facts, engine(kind), None)


def engine(backend: str, **more: object) -> EngineConfig:
    return EngineConfig.model_validate(
        {"name": "e", "url": "http://127.0.0.1:1", "backend": backend, **more}
    )


def sent(backend: str, **more: object) -> dict[str, Any]:
    request = body(
        vllm_xargs={**HINT, "mine": 1}, session_id="s", nvext={"agent_hints": {"osl": 9}}
    )
    return dict(
        translated(request, facts_of(request, {}), engine(backend, **more), None) or request
    )


def test_each_engine_gets_the_fields_that_it_takes() -> None:
    assert sent("vllm", plugin=True)["vllm_xargs"] == {**HINT, "mine": 1}
    assert sent("vllm")["vllm_xargs"] == {"mine": 1}
    assert sent("vllm")["session_id"] == "s"
    assert sent("dynamo")["nvext"] == {"agent_hints": {"osl": 9}}
    assert "vllm_xargs" not in sent("dynamo")
    assert set(sent("openai")) == {"model", "messages"}
    assert set(sent("sglang")) == {"model", "messages"}


def test_a_program_that_was_guessed_is_named_to_the_plugin() -> None:
    request = body()
    facts = facts_of(request, {})
    changed = translated(request, facts, engine("vllm", plugin=True), None)
    assert changed is not None
    assert changed["vllm_xargs"] == {"treadle_program_id": facts.program_id}
    assert translated(request, facts, engine("stock"), None) is None


def test_headers_of_the_connection_and_keys_stay_here() -> None:
    headers = {
        "host": "router", "connection": "keep-alive, x-hop", "x-hop": "1", "te": "trailers",
        "authorization": "Bearer client", "accept-encoding": "gzip", "x-request-id": "7",
        "x-treadle-program": "p", "cookie": "c", "content-type": "application/json",
    }  # fmt: skip
    facts = facts_of(body(), headers)
    kept = forwarded_headers(headers, facts, engine("stock"), None)
    assert kept == {
        "x-request-id": "7", "content-type": "application/json", "accept-encoding": "identity",
    }  # fmt: skip
    assert forwarded_headers(headers, facts, engine("stock"), "k")["authorization"] == "Bearer k"
    assert forwarded_headers(headers, facts, engine("dynamo"), None)["x-dynamo-session-id"] == "p"


def test_a_program_with_an_odd_name_can_stand_in_a_header() -> None:
    facts = facts_of(body(session_id="programme été 1"), {})
    for backend in ("vllm", "dynamo", "sglang"):
        named = forwarded_headers({}, facts, engine(backend), None)
        assert "programme%20%C3%A9t%C3%A9%201" in named.values()


def test_steps_of_a_program_are_its_branches() -> None:
    xargs = {"treadle_program_id": "p", "treadle_step_id": "s", "treadle_next_tool_pattern": "x"}
    facts = facts_of(body(vllm_xargs=xargs), {})
    assert (facts.program_id, facts.branch, facts.next_tool_pattern) == ("p", "s", "x")


RULES = """
[[engines]]
name = "big"
url = "http://127.0.0.1:1"
[[engines]]
name = "small"
url = "http://127.0.0.1:2"
[[rules]]
name = "joins"
engines = ["small"]
model = "mini"
when = { purpose = ["join"], max_prompt_tokens = 1000, tools = false }
[[rules]]
name = "last"
model = "mini"
when = { max_remaining_calls = 0, headers = { X-Tier = "cheap" } }
"""


def test_rules_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "router.toml"
    path.write_text(RULES)
    rules = load_config(path).rules

    def rule(tokens: int, headers: dict[str, str] | None = None, **extra: object) -> str:
        request = body(vllm_xargs={f"treadle_{name}": value for name, value in extra.items()})
        found = matching_rule(rules, facts_of(request, {}), tokens, headers or {})
        return "" if found is None else found.name

    assert rule(500, purpose="join") == "joins"
    assert rule(5_000, purpose="join") == ""
    assert rule(500, purpose="plan") == ""
    assert rule(500, {"x-tier": "cheap"}, remaining_calls=0) == "last"
    assert rule(500, {"x-tier": "cheap"}) == ""
    assert rule(500, {"x-tier": "dear"}, remaining_calls=0) == ""


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({}, "engines"),
        ({"engines": []}, "engines"),
        ({"engines": [{"name": "a", "url": "ftp://x"}]}, "engines.0.url"),
        ({"engines": [{"name": "a", "url": "http://x", "colour": 1}]}, "engines.0.colour"),
        ({"engines": [{"name": "a", "url": "http://x", "plugin": True}]}, "engines.0"),
        ({"engines": [{"name": "a", "url": "http://x"}] * 2}, "two engines have the name a"),
        (
            {
                "engines": [{"name": "a", "url": "http://x"}],
                "rules": [{"name": "r", "when": {}, "engines": ["b"]}],
            },
            "there is no engine b",
        ),
        ({"engines": [{"name": "a", "url": "http://x"}], "policy": "best"}, "policy"),
        (
            {"engines": [{"name": "a", "url": "http://x"}], "limits": {"wait_seconds": 0}},
            "limits.wait_seconds",
        ),
    ],
)
def test_a_bad_config_is_refused_by_field(document: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_config(document, "test")
    assert caught.value.code == "bad_router_config"
    assert named in caught.value.message


def test_a_config_file_that_cannot_be_read(tmp_path: Path) -> None:
    for name, text in (("a.toml", "engines = ["), ("b.json", "{"), ("missing.toml", None)):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match="bad_router_config"):
            load_config(tmp_path / name)


def guarded() -> Door:
    config = RouterConfig.model_validate(
        {
            "engines": [{"name": "a", "url": "http://x"}],
            "key_env": "MAIN",
            "tenants": [{"name": "red", "key_env": "RED"}],
        }
    )
    return Door(config, {"MAIN": "main-key", "RED": "red-key"})


def test_tenants_are_known_by_their_keys() -> None:
    assert guarded().tenant({"authorization": "Bearer red-key"}) == "red"
    assert guarded().tenant({"authorization": "bearer main-key"}) == ""


@pytest.mark.parametrize(
    "given_", ["", "Bearer", "Bearer x", "red-key", "Basic red-key", "Bearer \xff"]
)
def test_other_keys_are_refused(given_: str) -> None:
    with pytest.raises(RouterError) as caught:
        guarded().tenant({"authorization": given_})
    assert (caught.value.code, caught.value.status) == ("bad_router_key", 401)


def test_a_key_that_is_not_there_is_said_at_the_start() -> None:
    config = RouterConfig.model_validate(
        {"engines": [{"name": "a", "url": "http://x"}], "key_env": "MAIN"}
    )
    with pytest.raises(ConfigError, match="no_router_key"):
        Door(config, {})


def events(*documents: object) -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in documents)


STREAM = events(
    {"choices": [{"delta": {"content": "a"}, "finish_reason": None}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "grep", "arguments": ""}}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}}]},
    {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
    {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 8}}},
) + b"data: [DONE]\n\n"  # fmt: skip


@given(st.lists(st.integers(1, 60), min_size=1))
def test_a_stream_is_understood_however_it_is_cut(sizes: list[int]) -> None:
    observer = ReplyObserver(streamed=True)
    rest = STREAM
    for size in sizes * (len(STREAM) // sum(sizes) + 1):
        observer.feed(rest[:size])
        rest = rest[size:]
    seen = observer.end()
    assert (seen.prompt_tokens, seen.output_tokens, seen.cached_tokens) == (9, 4, 8)
    assert (seen.tools, seen.finish_reason, seen.complete) == (("grep",), "tool_calls", True)


@given(st.binary(max_size=2_000), st.booleans(), st.sampled_from(["", "gzip", "br"]))
def test_garbage_is_let_through(data: bytes, streamed: bool, encoding: str) -> None:
    observer = ReplyObserver(streamed=streamed, encoding=encoding)
    observer.feed(data)
    observer.end()


def test_documents_compressed_or_not_and_of_the_responses_protocol() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4}
    plain = json.dumps({"choices": [{"finish_reason": "stop"}], "usage": usage}).encode()
    for data, encoding in ((plain, ""), (gzip.compress(plain), "gzip")):
        observer = ReplyObserver(streamed=False, encoding=encoding)
        observer.feed(data)
        seen = observer.end()
        assert (seen.prompt_tokens, seen.finish_reason) == (9, "stop")
    response = {
        "status": "completed",
        "output": [{"type": "function_call", "name": "grep"}],
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    observer = ReplyObserver(streamed=True)
    observer.feed(events({"type": "response.completed", "response": response}))
    seen = observer.end()
    assert (seen.tools, seen.prompt_tokens, seen.complete) == (("grep",), 3, True)

"""What is known of a program, in the forms that servers take."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.program import ProgramHint
from treadle.serving.hint_formats.kv_hints import kv_hints_envelope
from treadle.serving.hints import Backend, hint_fields, hint_headers

FULL = ProgramHint(
    "run_1",
    "agent",
    step_id="look",
    next_tool="web.search",
    next_tool_seconds=2.5,
    next_tool_pattern="9f",
    remaining_calls=3,
    remaining_seconds=12.0,
    tenant="team",
    deadline_seconds=60.0,
)
BACKENDS: list[Backend] = ["openai", "vllm", "ollama", "sglang", "dynamo", "compatible"]


def test_vllm_gets_all_of_it_flat() -> None:
    fields = hint_fields(FULL, "vllm")
    assert fields["session_id"] == "run_1"
    assert fields["vllm_xargs"] == {
        "treadle_program_id": "run_1",
        "treadle_purpose": "agent",
        "treadle_step_id": "look",
        "treadle_next_tool": "web.search",
        "treadle_next_tool_seconds": 2.5,
        "treadle_next_tool_pattern": "9f",
        "treadle_remaining_calls": 3,
        "treadle_remaining_seconds": 12.0,
        "treadle_last_call": 0,
        "treadle_tenant": "team",
        "treadle_deadline_seconds": 60.0,
    }


def test_dynamo_gets_a_priority_and_the_session_of_the_branch() -> None:
    hints = {"priority": 2, "speculative_prefill": True}
    assert hint_fields(FULL, "dynamo") == {"nvext": {"agent_hints": hints}}
    assert hint_headers(FULL, "dynamo") == {
        "x-dynamo-session-id": "run_1/look",
        "x-dynamo-parent-session-id": "run_1",
    }
    joining = ProgramHint("run_1", "join", remaining_calls=0, last_call=True)
    assert hint_fields(joining, "dynamo") == {"nvext": {"agent_hints": {"priority": 10}}}
    assert hint_headers(joining, "dynamo") == {
        "x-dynamo-session-id": "run_1",
        "x-dynamo-session-final": "true",
    }
    assert hint_fields(ProgramHint("run_1", "plan"), "dynamo") == {}


def test_routers_get_the_program_as_a_session() -> None:
    session = {"x-session-id": "run_1"}
    assert hint_headers(FULL, "vllm") == session
    assert hint_headers(FULL, "compatible") == session
    assert hint_headers(FULL, "sglang") == {**session, "x-smg-routing-key": "run_1"}


@pytest.mark.parametrize("backend", ["openai", "ollama"])
def test_who_has_no_use_for_hints_gets_none(backend: Backend) -> None:
    assert hint_fields(FULL, backend) == {}
    assert hint_headers(FULL, backend) == {}


@pytest.mark.parametrize("backend", BACKENDS)
def test_outside_of_a_run_nothing_is_said(backend: Backend) -> None:
    assert hint_fields(None, backend) == {}
    assert hint_headers(None, backend) == {}


@given(
    st.builds(
        ProgramHint,
        program_id=st.text(min_size=1),
        purpose=st.sampled_from(["plan", "agent", "join"]),
        step_id=st.none() | st.text(),
        next_tool=st.none() | st.text(),
        next_tool_seconds=st.none() | st.floats(),
        remaining_calls=st.none() | st.integers(0, 10**9),
        remaining_seconds=st.none() | st.floats(),
        last_call=st.booleans(),
    ),
    st.sampled_from(BACKENDS),
)
def test_every_hint_can_be_sent(hint: ProgramHint, backend: Backend) -> None:
    json.dumps(hint_fields(hint, backend), allow_nan=False)
    for value in hint_headers(hint, backend).values():
        assert value.isascii()
        assert value.isprintable()
        assert " " not in value


def test_an_engine_that_is_called_from_python_takes_an_envelope() -> None:
    envelope = kv_hints_envelope(FULL, "message-1")
    assert envelope["protocol_version"] == "1"
    assert envelope["message_id"] == "message-1"
    (action,) = envelope["actions"]  # type: ignore[misc]
    assert action["action_type"] == "treadle.program"
    assert action["payload"]["program_id"] == "run_1"
    assert action["payload"]["last_call"] == 0
    unknown = kv_hints_envelope(ProgramHint("r", "plan", next_tool_seconds=math.inf), "m")
    assert "next_tool_seconds" not in json.dumps(unknown)

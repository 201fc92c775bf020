# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""Hints, from wherever they come and however broken they are."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("vllm")

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.scheduler_harness import bench, call, model_folder, text

from treadle.core.program import ProgramHint
from treadle.serving.hints import hint_fields
from treadle.serving.policy import ToolUse
from treadle.serving.vllm_plugin.call_metadata import (
    HINT_ACTION,
    NO_METADATA,
    CallMetadata,
    MetadataReader,
)


def read(extra: dict[str, object] | None = None, **options: object) -> CallMetadata:
    return MetadataReader().read(call("a", [1, 2], extra=extra, **options))


def test_what_the_client_sends_arrives() -> None:
    hint = ProgramHint(
        program_id="run-1",
        purpose="step",
        step_id="fetch",
        next_tool="Bash:pytest",
        next_tool_seconds=12.5,
        remaining_calls=3,
        remaining_seconds=40.0,
        last_call=True,
    )
    fields = hint_fields(hint, "vllm")["vllm_xargs"]
    assert isinstance(fields, dict)
    fields |= {"treadle_tenant": "team", "treadle_deadline_seconds": 60}
    fields |= {"treadle_next_tool_pattern": "3fa9"}
    assert read(fields) == CallMetadata(
        program_id="run-1",
        branch="fetch",
        purpose="step",
        tool=ToolUse("Bash:pytest", "3fa9", 12.5),
        remaining_calls=3.0,
        remaining_seconds=40.0,
        last_call=True,
        tenant="team",
        deadline_seconds=60.0,
    )


def test_a_session_names_a_program() -> None:
    assert read(session="S1") == CallMetadata(program_id="S1")
    assert read({"treadle_program_id": "P"}, session="S1").program_id == "P"
    assert read({"treadle_tenant": "t"}, session="S1") == CallMetadata(program_id="S1", tenant="t")


def test_kv_hints_from_python() -> None:
    from vllm.v1.kv_hints import KvHintAction, KvHintsEnvelope

    request = call("a", [1, 2])
    action = KvHintAction(HINT_ACTION, HINT_ACTION, "1", {"program_id": "P", "next_tool": "search"})
    other = KvHintAction("x", "somebody.else", "1", {"program_id": "Q"})
    request.kv_hints = KvHintsEnvelope("1", "m", [other, action])
    found = MetadataReader().read(request)
    assert found == CallMetadata(program_id="P", tool=ToolUse("search"))
    request.kv_hints = KvHintsEnvelope("1", "m", [other])
    assert MetadataReader().read(request) == NO_METADATA


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("program_id", 7),
        ("program_id", "x" * 257),
        ("program_id", "a\x00b"),
        ("program_id", ["P"]),
        ("next_tool_seconds", "soon"),
        ("next_tool_seconds", float("nan")),
        ("next_tool_seconds", float("inf")),
        ("next_tool_seconds", -1),
        ("remaining_calls", True),
        ("remaining_calls", 2**63),
        ("last_call", 2),
        ("last_call", "yes"),
    ],
)
def test_what_cannot_be_is_ignored_and_counted(name: str, value: object) -> None:
    reader = MetadataReader()
    fields: dict[str, object] = {"treadle_program_id": "P", f"treadle_{name}": value}
    found = reader.read(call("a", [1, 2], extra=fields))
    assert reader.malformed == 1
    assert found == (NO_METADATA if name == "program_id" else CallMetadata(program_id="P"))


_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=300)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
_NAMES = st.sampled_from(
    [
        "treadle_program_id",
        "treadle_step_id",
        "treadle_next_tool",
        "treadle_next_tool_seconds",
        "treadle_next_tool_pattern",
        "treadle_remaining_calls",
        "treadle_remaining_seconds",
        "treadle_last_call",
        "treadle_tenant",
        "treadle_deadline_seconds",
        "treadle_",
        "kv_cache_report_mode",
    ]
)


@settings(deadline=None)
@given(extra=st.dictionaries(_NAMES, _ANYTHING), session=st.none() | st.text())
def test_nothing_a_client_sends_breaks_the_reader(extra: dict[str, object], session: str) -> None:
    request = call("a", [1, 2], session=session)
    # Past vLLM's own checks, which refuse some of it.
    request.sampling_params.extra_args = extra
    found = MetadataReader().read(request)
    assert len(found.program_id) <= 256
    for number in (found.remaining_calls, found.remaining_seconds, found.deadline_seconds):
        assert number is None or 0 <= number <= 1e9


def test_hostile_hints_do_not_stop_the_engine(tmp_path: Path) -> None:
    side = bench(model_folder(tmp_path))
    for n, value in enumerate((None, 3, "x" * 1000, {"a": 1}, float("nan"))):
        extra = {"treadle_program_id": value, "treadle_last_call": value}
        side.add(call(f"r{n}", text(n, 40), extra=extra))
    side.run()
    assert len(side.finished) == 5
    assert side.scheduler.program_counters().malformed_hints == 4
    assert side.scheduler.program_counters().live_programs == 0

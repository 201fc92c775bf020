from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core import events as catalogue
from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo, RunError
from treadle.core.events import Event, PlanReady, RunStarted, StepFinished, StepPlanned
from treadle.core.payload import Payload
from treadle.executor.journal.codec import decode, encode, erase

KINDS: list[type[Event]] = sorted(
    (
        each
        for each in vars(catalogue).values()
        if isinstance(each, type) and issubclass(each, Event) and each is not Event
    ),
    key=lambda kind: kind.__name__,
)

# Half of a surrogate pair and NUL included: a model's or a tool's output may have them.
texts = st.text(st.characters(), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
payloads = st.builds(Payload, documents, artifact=st.booleans())
errors = st.builds(ErrorInfo, texts, texts, st.none() | texts)
counts = st.integers(min_value=0, max_value=2**53)
usages = st.builds(Usage, counts, counts, counts, counts)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """A strategy for a field's type."""
    parts = get_args(hint)
    if getattr(hint, "__origin__", None) is tuple:
        return st.lists(values_of(parts[0]), max_size=4).map(tuple)
    if getattr(hint, "__origin__", None) is Mapping:
        return st.dictionaries(texts, texts, max_size=3)
    if parts and all(isinstance(each, str) for each in parts):
        return st.sampled_from(parts)
    if parts:
        return st.one_of([values_of(each) for each in parts])
    known: dict[Any, st.SearchStrategy[Any]] = {
        str: texts,
        int: st.integers(-(2**53), 2**53),
        float: numbers,
        bool: st.booleans(),
        type(None): st.none(),
        Payload: payloads,
        ErrorInfo: errors,
        Usage: usages,
    }
    return known[hint]


@st.composite
def any_event(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(KINDS))
    hints = get_type_hints(kind)
    return kind(
        run_id=draw(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1)),
        seq=draw(st.integers(0, 2**53)),
        at=draw(numbers),
        **{
            each.name: draw(values_of(hints[each.name]))
            for each in fields(kind)
            if each.name not in ("run_id", "seq", "at")
        },
    )


def plain(value: Any) -> Any:
    """What makes two values the same, type and all."""
    if isinstance(value, Payload):
        return ("payload", value.artifact, value.erased or json.dumps(value.value))
    if isinstance(value, tuple):
        return ("tuple", [plain(each) for each in value])
    if isinstance(value, Mapping):
        return ("mapping", sorted(value.items()))
    return (type(value), value)


def all_of(event: Event) -> Any:
    return type(event), {each.name: plain(getattr(event, each.name)) for each in fields(event)}


@given(event=any_event())
def test_every_event_comes_back_as_it_was(event: Event) -> None:
    row = encode(event)
    again = decode(row)
    assert all_of(again) == all_of(event)
    assert encode(again) == row


@given(event=any_event())
def test_a_row_is_text_that_every_database_takes(event: Event) -> None:
    for value in encode(event)[3:]:
        if isinstance(value, str):
            value.encode()
            assert "\0" not in value


@given(event=any_event())
def test_what_was_erased_cannot_be_read_and_the_event_stays(event: Event) -> None:
    row = encode(event)
    erased = decode((*row[:5], None))
    assert type(erased) is type(event)
    for each in fields(event):
        before, after = getattr(event, each.name), getattr(erased, each.name)
        if not isinstance(before, Payload):
            assert plain(after) == plain(before)
        elif after is not None:
            with pytest.raises(RunError) as caught:
                _ = after.value
            assert caught.value.code == "payload_erased"


def test_a_required_payload_that_is_not_there_was_erased() -> None:
    ready = PlanReady(run_id="r", seq=0, plan_hash="h", version=1, plan=Payload({}))
    decoded = decode((*encode(ready)[:5], None))
    assert isinstance(decoded, PlanReady)
    assert decoded.plan.erased


def test_an_erased_output_is_not_no_output() -> None:
    done = StepFinished(run_id="r", seq=0, step_id="a", status="succeeded", output=Payload(1))
    *row, payload = encode(done)
    assert payload is not None
    decoded = decode((*row, erase(payload)))  # type: ignore[arg-type]
    assert isinstance(decoded, StepFinished)
    assert decoded.output is not None
    assert decoded.output.erased


def test_none_and_no_payload_differ() -> None:
    for output in (None, Payload(None)):
        event = StepFinished(run_id="r", seq=0, step_id="a", status="succeeded", output=output)
        decoded = decode(encode(event))
        assert isinstance(decoded, StepFinished)
        assert (decoded.output is None) is (output is None)


def test_an_unknown_kind_comes_from_a_later_version() -> None:
    with pytest.raises(RunError) as caught:
        decode(("r", 3, 0.0, "step_teleported", "{}", None))
    assert caught.value.code == "database_too_new"
    assert "step_teleported" in caught.value.message


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        ("", None),
        ("{", None),
        ("[]", None),
        ("null", None),
        ("1", None),
        ('"x"', None),
        ("{}", None),
        ('{"nonsense": 1}', None),
        ('{"step_id": "a", "tool": "t"}', None),
        ('{"step_id": "a", "tool": "t", "needs": [], "error": 1}', None),
        ('{"step_id": "a", "tool": "t", "needs": [], "usage": 1}', None),
        ('{"step_id": "a", "tool": "t", "needs": [], "errors": [1]}', None),
        ('{"step_id": "a", "tool": "t", "needs": []}', "[]"),
        ('{"step_id": "a", "tool": "t", "needs": []}', "{"),
        ('{"step_id": "a", "tool": "t", "needs": []}', '{"step": 1}'),
        ('{"step_id": "a", "tool": "t", "needs": []}', '{"stepp": [1]}'),
        pytest.param(
            "[" * 100_000,
            None,
            id="deep",
        ),
    ],
)
def test_a_damaged_row_says_so(body: str, payload: str | None) -> None:
    with pytest.raises(RunError) as caught:
        decode(("r", 3, 0.0, "step_planned", body, payload))
    assert caught.value.code == "journal_damaged"
    assert "event 3" in caught.value.message


@given(body=st.text(max_size=30), payload=st.none() | st.text(max_size=30))
def test_any_text_in_a_row_is_an_event_or_damage(body: str, payload: str | None) -> None:
    try:
        event = decode(("r", 0, 0.0, "run_started", body, payload))
    except RunError as error:
        assert error.code == "journal_damaged"
    else:
        assert isinstance(event, RunStarted)


@given(
    body=st.dictionaries(
        st.sampled_from(["step_id", "tool", "needs", "version", "step"]), documents
    ),
    payload=st.none() | st.dictionaries(st.sampled_from(["step", "tool", "x"]), documents),
)
def test_any_document_in_a_row_is_an_event_or_damage(body: Any, payload: Any) -> None:
    row_payload = None if payload is None else json.dumps(payload)
    try:
        event = decode(("r", 0, 0.0, "step_planned", json.dumps(body), row_payload))
    except RunError as error:
        assert error.code == "journal_damaged"
    else:
        assert isinstance(event, StepPlanned)

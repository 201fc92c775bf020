"""What a snippet says of itself is data, whatever it says."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.tools.sandbox.snippet_report import parsed_report

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.binary())
def test_any_bytes_are_survived(content: bytes) -> None:
    parsed_report(content)


@given(VALUES)
def test_any_json_is_survived(document: object) -> None:
    parsed_report(json.dumps(document).encode())


@given(VALUES)
def test_a_value_comes_through(value: object) -> None:
    content = json.dumps({"exit": 3, "kind": "E", "note": "", "value": value}).encode()
    report = parsed_report(content)
    assert (report.exit_code, report.kind, report.value) == (3, "E", value)


@pytest.mark.parametrize(
    "content",
    [
        b'{"value": NaN}',
        b'{"value": 1e999}',
        b'{"value": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"value": ' + b"[" * 150 + b"]" * 150 + b"}",
        b'{"value": ' + b"9" * 5000 + b"}",
        b"[]",
        b"\xff",
    ],
)
def test_what_is_no_report_is_said(content: bytes) -> None:
    report = parsed_report(content)
    assert report.value is None
    assert "left out" in report.note


def test_forged_fields_are_not_taken() -> None:
    content = json.dumps({"exit": True, "kind": 7, "note": [], "value": 1}).encode()
    report = parsed_report(content)
    assert (report.exit_code, report.kind, report.note, report.value) == (None, "", "", 1)


def test_forged_words_command_no_terminal() -> None:
    forged = {"exit": 1, "kind": "\x1b[2JError", "note": "a\nb\u202e", "value": None}
    report = parsed_report(json.dumps(forged).encode())
    assert (report.kind, report.note) == ("\\x1b[2JError", "a\\nb\\u202e")

"""Conditions: what they decide, and that nothing else gets in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import PlanError, ToolError
from treadle.planner.condition import parse_condition

OUTPUTS: dict[str, Any] = {"n": 5, "s": "it's", "l": [1, 2], "d": {"ok": True, "x": None}, "e": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${n}", True), ("${e}", False), ("${l}", True), ("${d.x}", False), ("not ${d.ok}", False),
        ("${n} > 3", True), ("${n} >= 5 and ${n} < 6", True), ("1 < ${n} < 5", False),
        ("${n} == 5.0", True), ("${n} != 5", False), ("-${n} == -5", True),
        ("${s} == \"it's\"", True), ("'${n}' == '5'", True), ("'${s}!' == \"it's!\"", True),
        ("${n} in [1, 5]", True), ("2 not in ${l}", False), ("'it' in ${s}", True),
        ("len(${l}) == 2 or ${missing}", True), ("${d.ok} == true", True),
        ("${d.x} == null", True), ("${d.x} is None", True), ("false or null", False),
        ("(${n} > 9 or ${n} < 6) and not false", True),
    ],
)  # fmt: skip
def test_decisions(text: str, expected: bool) -> None:
    assert parse_condition(text).holds(OUTPUTS.__getitem__) is expected


@pytest.mark.parametrize(
    "text",
    ["", " ", "${n} >", "${n}.real", "${n}[0]", "open('x')", "len(1, 2)", "__import__('os')", "x",
     "lambda: 1", "[y for y in ${l}]", "(x := 1)", "f'{1}'", "1 + 1", "9 ** 9", "${n} if 1 else 2",
     "{1: 2}", "*${l}", "len", "'a' 'b' == b''", "...", "1; 2", "(" * 5_000 + "1" + ")" * 5_000,
     "not " * 5_000 + "1", "1 < " * 900, "\x00", "${n} and\n" * 3, "x" * 3_000],
    ids=lambda text: repr(text[:20]),
)  # fmt: skip
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_condition(text)
    assert caught.value.code == "bad_condition"


def test_values_that_cannot_be_compared() -> None:
    with pytest.raises(ToolError) as caught:
        parse_condition("${s} < ${n}").holds(OUTPUTS.__getitem__)
    assert caught.value.code == "bad_condition"


@given(st.text(max_size=80))
def test_any_text_is_a_condition_or_an_error(text: str) -> None:
    try:
        condition = parse_condition(text)
    except PlanError as error:
        assert error.code in {"bad_condition", "bad_reference"}
        return
    assert condition.text == text

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
        ("(${e} or ${n}) > 3", True), ("(${n} and 0) == 0", True),
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


@pytest.mark.parametrize(
    "text",
    ["-" * 1_999 + "1", "not " * 400 + "1", "__treadle_reference_0__ == 1",
     "'__treadle_reference_7__' == ''", "${n} == __treadle_reference_0__", "${n}${n}", "x${n}",
     "${n}(1)", "len(x=1)", "len(*${l})", "{1}", "1j", "print", "(yield)", "await ${n}", "@1",
     "[y async for y in x]", "${d}['ok']", "1 @ 2", "~1", "+1", "${n} << 99", "`1`", "1\n2"],
    ids=lambda text: repr(text[:24]),
)  # fmt: skip
def test_hostile_texts_are_refused(text: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_condition(text)
    assert caught.value.code == "bad_condition"
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("output", ["') or True or ('", "__treadle_reference_0__", "${n}", "\\"])
def test_outputs_inside_quotes_are_only_text(output: str) -> None:
    outputs = {"s": output, "n": 1}
    assert parse_condition("'${s}' == ${s}").holds(outputs.__getitem__) is True
    assert parse_condition("'<${s}${n}>' == ''").holds(outputs.__getitem__) is False


def test_an_escaped_reference_is_its_text_with_and_without_others() -> None:
    outputs = {"s": "${x}"}
    assert parse_condition("'$${x}' == ${s}").holds(outputs.__getitem__) is True
    assert parse_condition("len('$${x}') == 4").holds(outputs.__getitem__) is True


@pytest.mark.parametrize("text", ["'\\d' == 'x'", "1or 2", "'a' is 'b'", "1 is 1"])
def test_no_warning_reaches_the_user(text: str) -> None:
    parse_condition(text).holds(OUTPUTS.__getitem__)  # warnings are errors here


@pytest.mark.parametrize(
    "text",
    ["-${s} == 1", "len(${n}) > 1", "1 in ${n}", "${l} < ${d}", "${d.x} > 1", "${n} in ${s}"],
)
def test_types_that_do_not_go_together_have_a_code(text: str) -> None:
    with pytest.raises(ToolError) as caught:
        parse_condition(text).holds(OUTPUTS.__getitem__)
    assert caught.value.code == "bad_condition"


def test_a_part_that_is_not_there_has_its_own_code() -> None:
    with pytest.raises(ToolError, match="reference_not_found"):
        parse_condition("${d.nope} == 1").holds(OUTPUTS.__getitem__)


def test_outputs_nested_deeply_are_compared_or_refused() -> None:
    deep: list[Any] = []
    other: list[Any] = []
    for _ in range(100_000):
        deep, other = [deep], [other]
    with pytest.raises(ToolError, match="bad_condition"):
        parse_condition("${a} == ${b}").holds({"a": deep, "b": other}.__getitem__)


_atoms = st.sampled_from(["${n}", "${s}", "${l}", "${d.ok}", "1", "'it'", "null", "true", "[1]"])
_conditions = st.recursive(
    _atoms,
    lambda inner: st.builds("({} {} {})".format, inner,
                            st.sampled_from(["and", "or", "==", "!=", "<", "in", "not in"]),
                            inner)
    | st.builds("not {}".format, inner) | st.builds("len({})".format, inner),
    max_leaves=6,
)  # fmt: skip


@given(_conditions)
def test_conditions_decide_as_python_does(text: str) -> None:
    names = {"n": 5, "s": "it's", "l": [1, 2], "ok": True, "null": None, "true": True}
    source = text.replace("${d.ok}", "ok")
    for name in "nsl":
        source = source.replace("${" + name + "}", name)
    try:
        condition = parse_condition(text)
    except PlanError:
        return  # `not` where Python takes none
    try:
        expected: Any = bool(eval(source, {"__builtins__": {"len": len}}, names))
    except TypeError:
        expected = ToolError
    try:
        assert condition.holds(OUTPUTS.__getitem__) is expected
    except ToolError:
        assert expected is ToolError

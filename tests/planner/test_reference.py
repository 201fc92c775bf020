"""References: what they are, what they are not, and what they give."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import PlanError, ToolError
from treadle.planner.reference import (
    Literal,
    Reference,
    Template,
    escape,
    parse_value,
    references,
    resolve,
    to_wire,
)

OUTPUTS: dict[str, Any] = {
    "a": {"n": 5, "list": [1, {"deep": "x"}], "odd key": True, "none": None},
    "text": "plain",
    "number": 2.5,
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(max_size=8).filter(lambda key: "${" not in key), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip


def value_of(text: Any) -> Any:
    return resolve(parse_value(text), OUTPUTS.__getitem__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${a.n}", 5),
        ("${a.list}", [1, {"deep": "x"}]),
        ("${a.list[1].deep}", "x"),
        ("${a.list[-1]}", {"deep": "x"}),
        ("${a['odd key']}", True),
        ('${a["odd key"]}', True),
        ("${a.none}", None),
        ("${number}", 2.5),
        ("n=${a.n}, t=${text}, l=${a.list}", 'n=5, t=plain, l=[1,{"deep":"x"}]'),
        ("is $100 more than ${a.n}", "is $100 more than 5"),
        ("$${a.n} and $$ and $", "${a.n} and $$ and $"),
        ("$ {a} $a {a} }", "$ {a} $a {a} }"),
        ("two\nlines ${text}\n", "two\nlines plain\n"),
        ({"deep": [{"er": "${a.n}"}, "${text}!"]}, {"deep": [{"er": 5}, "plain!"]}),
    ],
)
def test_resolution(text: Any, expected: Any) -> None:
    assert value_of(text) == expected
    assert type(value_of(text)) is type(expected)


@pytest.mark.parametrize(
    "text",
    ["${", "${}", "${a", "${a b}", "${1a}", "${a.}", "${a[x]}", "${a..b}", "${a[1}", "${a }"],
)
def test_what_only_looks_like_a_reference_is_an_error(text: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_value(text)
    assert caught.value.code == "bad_reference"


def test_keys_hold_no_references() -> None:
    with pytest.raises(PlanError, match="bad_reference"):
        parse_value({"${a}": 1})


@pytest.mark.parametrize(
    "text", ["${a.missing}", "${a.list[7]}", "${text.x}", "${a.n[0]}", "${a.none.x}"]
)
def test_parts_that_are_not_there(text: str) -> None:
    with pytest.raises(ToolError) as caught:
        value_of(text)
    assert caught.value.code == "reference_not_found"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: 2}, b"x"])
def test_what_json_cannot_carry(value: Any) -> None:
    with pytest.raises(PlanError) as caught:
        parse_value([value])
    assert caught.value.code == "not_json"


def test_values_nest_only_so_deep() -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    with pytest.raises(PlanError, match="too_deep"):
        parse_value(value)


@given(json_values)
def test_escaped_values_stand_for_themselves(value: Any) -> None:
    def escape(each: Any) -> Any:
        if isinstance(each, str):
            return each.replace("${", "$${")
        if isinstance(each, list):
            return [escape(one) for one in each]
        return {k: escape(v) for k, v in each.items()} if isinstance(each, dict) else each

    parsed = parse_value(escape(value))
    assert not list(references(parsed))
    assert resolve(parsed, lambda name: None) == value


@given(st.lists(st.sampled_from(["$", "${a}", "$${", "{", "}", "x", " ", "${a.b[0]}", "\n"])))
def test_what_parses_is_written_back_the_same(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        parsed = parse_value(text)
    except PlanError:
        return
    again = parse_value(to_wire(parsed))
    assert again == parsed


def test_forms() -> None:
    assert parse_value("x") == Literal("x")
    assert parse_value("${a.b}") == Reference("a", ("b",))
    assert parse_value(" ${a}") == Template((" ", Reference("a")))


wire_texts = st.lists(
    st.sampled_from(["$", "$$", "{", "}", "${a}", "${a.b[-1]['c d']}", "x", "\n", "$${", "100"])
).map("".join)


@given(st.recursive(wire_texts | st.none() | st.booleans() | st.integers(), lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner), max_leaves=6))  # fmt: skip
def test_the_wire_form_round_trips(value: Any) -> None:
    try:
        parsed = parse_value(value)
    except PlanError as error:
        assert error.code == "bad_reference"
        return
    again = to_wire(parsed)
    assert parse_value(again) == parsed
    assert to_wire(parse_value(again)) == again


@given(st.lists(st.text("$${}ab", max_size=4), min_size=1, max_size=4))
def test_any_text_can_stand_around_references(texts: list[str]) -> None:
    """Also a text that ends with `$`: without an escape it would hide the reference."""
    parts = [escape(text, before_reference=index < len(texts) - 1)
             for index, text in enumerate(texts)]  # fmt: skip
    assert value_of("${a.n}".join(parts)) == "5".join(texts) or len("".join(texts)) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$$${a.n}", "$5"),
        ("$$$${a.n}", "$${a.n}"),
        ("$$$$${a.n}", "$$5"),
        ("$100 and $$$${x} and ${a.n}$", "$100 and $${x} and 5$"),
        ("${a.n}${a.n}", "55"),
        ("${a.n}$${a.n}", "5${a.n}"),
    ],
)
def test_dollars_before_braces(text: str, expected: str) -> None:
    assert value_of(text) == expected


def test_a_message_stays_short_whatever_the_text() -> None:
    for text in ("${" + "a" * 1_000_000, "${a" + "b" * 1_000_000 + "}", "${\n" * 100):
        with pytest.raises(PlanError) as caught:
            parse_value(text)
        assert caught.value.code == "bad_reference"
        assert len(str(caught.value)) < 300
    with pytest.raises(PlanError) as caught:
        parse_value({"${" + "x" * 1_000_000: 1})
    assert len(str(caught.value)) < 300


def test_many_references_are_found_in_linear_work() -> None:
    text = "${a.n} $ $${ " * 50_000
    assert sum(1 for _ in references(parse_value(text))) == 50_000
    assert parse_value("$" * 500_000) == Literal("$" * 500_000)


def test_integers_that_no_text_can_hold() -> None:
    with pytest.raises(PlanError, match="not_json"):
        parse_value([10**5_000])
    assert parse_value(10**4_000) == Literal(10**4_000)

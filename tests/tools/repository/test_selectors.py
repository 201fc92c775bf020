"""Selectors find their place again after edits, or say that they cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tools.repository.conftest import SHAPES

from treadle.core.errors import ToolError
from treadle.tools.repository.selectors.outline import outline
from treadle.tools.repository.selectors.resolve import SelectorError, resolve, selector_at
from treadle.tools.repository.selectors.selector import (
    AnchorSelector,
    PlaceSelector,
    SymbolSelector,
    parse_selector,
)
from treadle.tools.repository.source_text import Position, SourceText

_WORDS = st.text(st.sampled_from('abc "\\:@#~é😀\n'), min_size=1, max_size=20)


def found(selector: str, text: str) -> str:
    source = SourceText(text)
    place = resolve(parse_selector(selector), source)
    return text[place.start : place.end]


@given(_WORDS.filter(str.strip), st.none() | st.integers(1, 99))
def test_anchors_round_trip(text: str, nth: int | None) -> None:
    selector = AnchorSelector("a/b.py", text, nth)
    assert parse_selector(str(selector)) == selector


@pytest.mark.parametrize(
    "text",
    ["a.py::f", "a.py::C.m#2", "a.py:3:4", "a.py:3:4~0123456789ab", 'a.py@"x"#3'],
)
def test_selectors_round_trip(text: str) -> None:
    assert str(parse_selector(text)) == text


def test_the_three_forms() -> None:
    assert parse_selector("a::b.py::f") == SymbolSelector("a::b.py", "f")
    assert parse_selector("a.py:1:2") == PlaceSelector("a.py", Position(1, 2))


@pytest.mark.parametrize(
    "text", ["", "a.py", "a.py::", "a.py::f#0", 'a.py@"', 'a.py@"  "', "a:b", "x" * 5000]
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ToolError) as refused:
        parse_selector(text)
    assert refused.value.code == "bad_selector"


def test_a_symbol_is_its_whole_definition_with_decorators() -> None:
    text = "import functools\n\n\n@functools.cache\ndef f():\n    return 1\n\n\nx = 2\n"
    assert found("a.py::f", text) == "@functools.cache\ndef f():\n    return 1"
    assert found("a.py::x", text) == "x = 2"
    assert found("a.py::Circle.area", SHAPES).startswith("    def area")


def test_a_symbol_survives_edits_around_it() -> None:
    moved = SHAPES.replace('"""Shapes."""', '"""Shapes."""\n\nimport sys\n\n# more\n')
    assert found("a.py::Circle", moved) == found("a.py::Circle", SHAPES)


def test_a_symbol_is_found_while_the_file_does_not_parse() -> None:
    broken = SHAPES.replace("def total(shapes: list[Shape])", "def total(shapes: list[Shape]")
    assert found("a.py::Circle.area", broken).strip() == found("a.py::Circle.area", SHAPES).strip()
    assert "Circle" in [each.name for each in outline(SourceText(broken))]


def test_a_name_defined_twice_is_ambiguous_and_a_number_settles_it() -> None:
    text = "if True:\n    def f(): return 1\nelse:\n    def f(): return 2\n"
    with pytest.raises(SelectorError) as refused:
        found("a.py::f", text)
    assert refused.value.code == "selector_ambiguous"
    assert [each.split(" ")[0] for each in refused.value.candidates] == ["a.py::f#1", "a.py::f#2"]
    assert found("a.py::f#2", text).endswith("return 2")


def test_a_symbol_that_is_gone_names_what_is_like_it() -> None:
    with pytest.raises(SelectorError) as refused:
        found("a.py::Circle.perimeter", SHAPES.replace("area", "perimeter_of"))
    assert refused.value.code == "selector_stale"
    with pytest.raises(SelectorError) as moved:
        found("a.py::area", SHAPES)
    assert set(moved.value.candidates) == {"a.py::Shape.area", "a.py::Circle.area"}


def test_an_anchor_survives_reformatting_and_small_edits() -> None:
    assert found('a.py@"return sum(shape.area() for shape in shapes)"', SHAPES)
    spaced = SHAPES.replace("return sum(shape", "return  sum(shape")
    source = SourceText(spaced)
    place = resolve(parse_selector('a.py@"return sum(shape.area() for shape in shapes)"'), source)
    assert place.how == "spacing"
    edited = SHAPES.replace("return sum(shape.area()", "return fsum(shape.area()")
    place = resolve(
        parse_selector('a.py@"return sum(shape.area() for shape in shapes)"'), SourceText(edited)
    )
    assert place.how == "alike"
    assert edited[place.start : place.end] == "return fsum(shape.area() for shape in shapes)"


def test_an_anchor_crosses_line_endings() -> None:
    text = SHAPES.replace("\n", "\r\n")
    assert found('a.py@"class Circle(Shape):\\n    def"', text) == "class Circle(Shape):\r\n    def"


def test_an_anchor_that_could_be_two_places_is_never_guessed() -> None:
    with pytest.raises(SelectorError) as refused:
        found('a.py@"def area(self)"', SHAPES)
    assert refused.value.code == "selector_ambiguous"
    assert len(refused.value.candidates) == 2
    assert found('a.py@"def area(self)"#2', SHAPES) == "def area(self)"
    with pytest.raises(SelectorError) as stale:
        found('a.py@"nothing of the kind stands there"', SHAPES)
    assert stale.value.code == "selector_stale"


@given(st.lists(st.sampled_from(["", "# new", "y = 2"]), max_size=10))
def test_a_place_with_a_fingerprint_moves_with_its_line(lines: list[str]) -> None:
    source = SourceText(SHAPES)
    position = Position(source.lines.index("class Circle(Shape):") + 1, 7)
    selector = selector_at("a.py", source, position)
    moved = SourceText("".join(f"{line}\n" for line in lines) + SHAPES)
    place = resolve(parse_selector(selector), moved)
    assert place.position == Position(position.line + len(lines), 7)


def test_a_place_whose_line_is_gone_is_stale_and_one_with_copies_ambiguous() -> None:
    source = SourceText("a = 1\nb = 2\n")
    selector = parse_selector(selector_at("a.py", source, Position(2, 1)))
    for text, code in (
        ("a = 1\n", "selector_stale"),
        ("b = 2\nb = 2\nx\n", "exact"),
        ("b = 2\nx\nb = 2\n", "selector_ambiguous"),
    ):
        try:
            outcome = resolve(selector, SourceText(text)).how
        except SelectorError as error:
            outcome = error.code
        assert outcome == code


def test_a_long_text_is_never_found_by_a_part_of_it() -> None:
    anchor = "".join(f"value_{n} = {n}\n" for n in range(200))
    changed = anchor.replace("value_150 = 150", "value_150 = 151")
    with pytest.raises(SelectorError) as refused:
        resolve(AnchorSelector("a.py", anchor), SourceText(changed))
    assert refused.value.code == "selector_stale"


def test_a_file_made_to_be_slow_is_given_up() -> None:
    text = ("ab" * 400 + "\n") * 20_000
    with pytest.raises(SelectorError):
        resolve(AnchorSelector("a.py", "ba" * 300 + "c" * 60), SourceText(text))

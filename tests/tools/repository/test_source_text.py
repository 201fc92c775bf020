"""Texts come back byte for byte, and positions mean the same in every way of counting."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import ToolError
from treadle.tools.repository.source_text import Position, SourceText, utf16_length

_TEXTS = st.text(st.sampled_from("ab \té€😀𝒳\u2028\x0c\r\n"), max_size=60)


@given(_TEXTS)
def test_positions_round_trip_through_utf16(text: str) -> None:
    source = SourceText(text)
    for line, content in enumerate(source.lines, 1):
        for column in range(1, len(content) + 2):
            place = Position(line, column)
            assert source.from_utf16(*source.to_utf16(place)) == place
            assert source.position(source.offset(place)) == place


@given(_TEXTS)
def test_utf16_length_is_that_of_the_encoding(text: str) -> None:
    assert utf16_length(text) == len(text.encode("utf-16-le")) // 2


def test_a_character_outside_of_the_first_plane_counts_as_two_units() -> None:
    source = SourceText("s = '😀'; t = 1\n")
    assert source.to_utf16(Position(1, 10)) == (0, 10)
    assert source.from_utf16(0, 10) == Position(1, 10)
    assert source.from_utf16(0, 99).column == len("s = '😀'; t = 1") + 1
    assert source.from_utf16(50, 0) == Position(2, 1)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (codecs.BOM_UTF8 + "é = 1\r\n".encode(), "utf-8"),
        ("# -*- coding: latin-1 -*-\nname = 'é'\n".encode("latin-1"), "iso-8859-1"),
        (b"a = 1\r\nb = 2\nc = 3\r", "utf-8"),
    ],
)
def test_bytes_round_trip(data: bytes, encoding: str) -> None:
    source = SourceText.decode(data, "a.py")
    assert source.encoding == encoding
    assert source.encode(source.text, "a.py") == data


@pytest.mark.parametrize(
    "data", [b"\xff\xfe", b"a\0b", b"# coding: nonsense\n", b"# coding: rot13\n"]
)
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(ToolError) as refused:
        SourceText.decode(data, "a.py")
    assert refused.value.code == "undecodable_file"


def test_what_the_encoding_cannot_hold_is_refused() -> None:
    source = SourceText.decode(b"# coding: latin-1\n", "a.py")
    with pytest.raises(ToolError) as refused:
        source.encode("'€'", "a.py")
    assert refused.value.code == "text_not_encodable"


def test_positions_that_are_not_there_are_refused() -> None:
    source = SourceText("ab\n")
    for place in (Position(0, 1), Position(3, 1), Position(1, 4), Position(1, 0)):
        with pytest.raises(ToolError) as refused:
            source.offset(place)
        assert refused.value.code == "bad_position"

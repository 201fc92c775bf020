"""Nothing that a model, a tool or a file says may command a terminal, or hide."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.cli.harmless import harmless, one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain [bold]text[/bold]\n\tand more", "plain [bold]text[/bold]\n\tand more"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("\x00\x7f\x08", "\\x00\\x7f\\x08"),
        ("a\r\nb\rc", "a\nb\\x0dc"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("half \ud800", "half \\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("Grüße, 你好, мир, 👍", "Grüße, 你好, мир, 👍"),
    ],
)
def test_what_is_dangerous_is_spelled_out(text: str, expected: str) -> None:
    assert harmless(text) == expected


@given(st.text(alphabet=st.characters()))
def test_no_control_character_survives(text: str) -> None:
    shown = harmless(text)
    left = {character for character in shown if unicodedata.category(character) in ("Cc", "Cs")}
    assert left <= {"\n", "\t"}
    assert not {character for character in shown if unicodedata.bidirectional(character) in _BIDI}
    assert harmless(shown) == shown
    shown.encode("utf-8")


_BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_short_line(text: str, width: int) -> None:
    line = one_line(text, width)
    assert len(line) <= width
    assert len(line.splitlines()) <= 1


def test_a_cut_shows() -> None:
    assert one_line("word " * 1_000, 10) == "word word…"
    assert one_line("short") == "short"

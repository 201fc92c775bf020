"""What is printed on a terminal cannot command it, nor hide."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from treadle.cli.harmless import harmless, one_line

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    for character in harmless(text):
        assert character in "\t\n" or unicodedata.category(character) not in ("Cc", "Cs")
        assert unicodedata.bidirectional(character) not in (
            "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
        )  # fmt: skip


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs", "Mn"))))
def test_ordinary_text_stays(text: str) -> None:
    kept = "".join(each for each in text if not 0xE0000 <= ord(each) <= 0xE01EF)
    assert harmless(kept) == kept


def test_what_is_dangerous_is_spelled_out() -> None:
    assert harmless("a\x1b[2Jb\x9b\x07\r") == "a\\x1b[2Jb\\x9b\\x07\\x0d"
    assert harmless("\u202eevil\u2066") == "\\u202eevil\\u2066"
    assert harmless("\U000e0041\ud800") == "\\U000e0041\\ud800"


def test_line_ends_and_joiners_are_no_danger() -> None:
    assert harmless("a\r\nb\tc") == "a\nb\tc"
    family = "\U0001f469\u200d\U0001f467"
    assert harmless(family) == family


@given(ANY_TEXT, st.integers(1, 60))
def test_one_line_is_one_line(text: str, width: int) -> None:
    line = one_line(text, width)
    assert len(line) <= width
    assert "\n" not in line
    assert "\t" not in line

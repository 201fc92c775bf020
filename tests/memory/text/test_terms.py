"""What a text is found by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from treadle.memory.text import terms, token_estimate
from treadle.memory.text.terms import MOST_TERMS


def test_stems_words_and_leaves_out_those_that_say_nothing() -> None:
    assert terms("Caroline's kids weren't running to the painted houses") == [
        "carolin",
        "kid",
        "run",
        "paint",
        "hous",
    ]


def test_same_words_in_other_clothes_are_the_same_terms() -> None:
    assert terms("ＣＡＦÉ don\u2019t 42") == terms("cafe don't 42") == ["cafe", "42"]


def test_scripts_without_spaces_go_by_pairs() -> None:
    assert terms("東京都に行く")[:2] == ["東京", "京都"]
    assert set(terms("京都")) <= set(terms("私は京都に住んでいます"))


def test_marks_stay_with_their_letters() -> None:
    assert terms("मानसिक स्वास्थ्य") == ["मानसिक", "स्वास्थ्य"]


def test_a_text_of_ten_megabytes_gives_bounded_terms() -> None:
    assert len(terms("word1 other2 " * 800_000)) <= MOST_TERMS
    assert len(terms("a" * 10_000_000)) <= 200


@given(st.text())
def test_any_text_gives_terms_without_spaces(text: str) -> None:
    for term in terms(text):
        assert term
        assert term.split() == [term]


@given(st.text(alphabet=st.characters(categories=["Cs", "Cc", "Lu", "Mn"])))
def test_broken_text_is_no_error(text: str) -> None:
    assert token_estimate(text) >= 0
    assert isinstance(terms(text), list)


def test_an_estimate_of_tokens_grows_with_the_text() -> None:
    assert token_estimate("one two three four") < token_estimate("one two three four" * 4)
    assert token_estimate("日本語日本語") > token_estimate("nihong")

"""What is found of a name and of a text, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.memory.erasure.sought import Sought, plain


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Ann", "Ann's book"),
        ("Ann", "(ann)"),
        ("Ann", "ANN"),
        ("Ann", "ann_notes.txt"),
        ("Ann Lee", "Ann\n  Lee"),
        ("Ann Lee", "ann\u00a0lee"),
        ("Ann", "Ａｎｎ"),
        ("Ann", "A\u200bnn came"),
        ("Zoë", "ZOE\u0308 came"),
        ("Straße", "STRASSE 5"),
        ("Ann+1", "ann+1@example.com"),
        ("李雷", "我和李雷去"),
        ("김민수", "김민수는 왔다"),
        ("bob@example.com", "mail bob@example.com."),
    ],
)
def test_a_name_is_found(name: str, text: str) -> None:
    assert Sought([name]).found_in(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Ann", "Anna"),
        ("Ann", "Hannah"),
        ("Ann", "ann2"),
        ("May", "the mayor"),
        ("Ann Lee", "Ann and Lee"),
        ("a.c", "abc"),
        ("Ann", ""),
    ],
)
def test_another_word_is_not(name: str, text: str) -> None:
    assert not Sought([name]).found_in(text)


LONG = "The heron stood in the shallow water until the evening, and then it flew away."


@pytest.mark.parametrize(
    "text",
    [LONG, f"He said: {LONG.upper()} Yes.", LONG.replace(" ", "\n"), f"... {LONG[10:60]} ..."],
)
def test_a_text_is_found_or_a_good_part_of_it(text: str) -> None:
    assert Sought((), [LONG]).found_in(text)
    many = [f"{number} bottles of beer were standing on the wall" for number in range(100)]
    assert Sought((), [*many, LONG]).found_in(text)


@pytest.mark.parametrize("text", ["The heron stood in the reeds.", "flew away", LONG[:30], ""])
def test_a_phrase_is_nobodys(text: str) -> None:
    assert not Sought((), [LONG]).found_in(text)
    assert not Sought((), ["yes", "of course"]).found_in("yes, of course")


@given(st.text(max_size=80), st.text(max_size=30), st.text(max_size=30))
def test_what_is_there_is_found(text: str, before: str, after: str) -> None:
    sought = Sought((), [text])
    assert sought.found_in(f"{before}\n{text}\n{after}") is (bool(sought) or sought.found_in(after))


@given(st.text(max_size=60))
def test_plain_is_plain(text: str) -> None:
    assert plain(plain(text)) == plain(text)

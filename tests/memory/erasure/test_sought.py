"""What is found of a name and of a text, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import InputError
from treadle.memory.erasure.sought import Sought, meant, plain


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
        ("Ann Lee", "ann_lee.txt"),
        ("Ann Lee", "mail ann.lee@example.com"),
        ("Ann Lee", "?q=Ann%20Lee"),
        ("Ann Lee", "?q=Ann+Lee"),
        ("Ann Lee", "Ann\u2010Lee"),
        ("Alice Canary", "alicecanary@example.com"),
        ("Mary Jane Watson", "MaryJane Watson"),
        ("Zoe Muller", "Zoë Müller"),
        ("Alice Canary", "A\u200eli\u2063ce Can\u034fary"),
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
        ("Ann Lee", "annleer"),
        ("An Na", "anna"),
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
    whole = f"{before}\n{text}\n{after}"
    alone = bool(sought) and plain(whole) == plain(text)
    assert sought.found_in(whole) is (bool(sought.texts) or alone)


@given(st.text(max_size=60))
def test_plain_is_plain(text: str) -> None:
    assert plain(plain(text)) == plain(text)


def test_a_short_text_is_found_as_a_whole_only() -> None:
    sought = Sought((), ["My PIN is 4711", "report"])
    assert sought.found_in("my pin is  4711")
    assert not sought.found_in("She said: my PIN is 4711")
    assert not sought.found_in("report")  # a word that stands anywhere


def test_a_phrase_of_a_long_text_does_not_condemn_it() -> None:
    phrase = "thank you very much for your kind letter of last week"
    sought = Sought((), [f"Bo wrote: {phrase}, which came too late to be answered at once."])
    assert not sought.found_in(f"Dear Carol, {phrase}. The garden is in flower, come and see it.")
    assert sought.found_in(f"- {phrase}")


def test_repetitions_take_no_time() -> None:
    sought = Sought((), ["-" * 5_000 + "x", *(f"{'=' * 3_000}{each}" for each in range(80))])
    assert not sought.found_in("-=" * 100_000)
    assert sought.found_in("=" * 100_000)  # a long part of it


@pytest.mark.parametrize("name", ["me", "I", "a", " The "])
def test_a_pronoun_names_nobody(name: str) -> None:
    with pytest.raises(InputError, match="no name") as caught:
        meant(name)
    assert caught.value.code == "bad_subject"


WORDS = st.sampled_from(
    ["ann", "lee", "mary", "jane", "watson", "o'brien", "bob@x.org", "李雷", "k9"]
)
NAMES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
JOINTS = st.sampled_from([" ", "", "_", ".", "%20", "-", "+", ", ", "x", "  "])


@given(
    names=st.lists(NAMES, min_size=1, max_size=4),
    text=st.lists(st.one_of(WORDS, JOINTS), max_size=12).map("".join),
)
def test_many_names_are_found_as_few_are(names: list[str], text: str) -> None:
    others = [f"nobody{number} else{number}" for number in range(100)]
    assert Sought([*names, *others]).named_in(text) == Sought(names).named_in(text)

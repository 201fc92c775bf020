"""How much of what rules draw from ordinary sentences is so, and how much of what is so they draw.

Before the shapes of objects were looked at, it was 47% and 49% that was so, and 67% and 73% of what
is so.
"""

from __future__ import annotations

import pytest
from tests.memory.writing.said import HELD, SPEAKER, TUNED

from treadle.memory.kinds import Origin
from treadle.memory.writing.extraction.rules import found_in

Said = tuple[tuple[str, tuple[str, ...]], ...]
_MARKS = {"holds": "", "ended": "not ", "denied": "not ", "never": "not ", "once": "was "}


def _drawn(text: str) -> set[str]:
    claims = found_in(text, actor=SPEAKER, origin=Origin.USER, spoken_at=1.7e9).claims
    said = {
        ("" if each.subject == SPEAKER else f"{each.subject}: ")
        + f"{_MARKS[each.how]}{each.predicate} {each.object}"
        for each in claims
        if each.how in _MARKS
    }
    # Who dislikes something does not like it: one thing said twice.
    return {each for each in said if each.replace("not likes", "dislikes", 1) not in said - {each}}


@pytest.mark.parametrize(("text", "expected"), TUNED, ids=[text for text, _ in TUNED])
def test_a_sentence_says_what_it_says(text: str, expected: tuple[str, ...]) -> None:
    assert _drawn(text) == set(expected)


@pytest.mark.parametrize("said", [TUNED, HELD], ids=["tuned", "held"])
def test_what_is_drawn_is_so_and_most_is_drawn(said: Said) -> None:
    right = wrong = missed = 0
    for text, expected in said:
        found = _drawn(text)
        right += len(found & set(expected))
        wrong += len(found - set(expected))
        missed += len(set(expected) - found)
    assert right / (right + wrong) >= 0.93
    assert right / (right + missed) >= 0.95


def test_half_of_the_sentences_say_nothing() -> None:
    for said in (TUNED, HELD):
        assert 0.45 <= sum(not expected for _, expected in said) / len(said) <= 0.55
    assert len({text for text, _ in (*TUNED, *HELD)}) >= 180


@pytest.mark.parametrize(
    "text",
    [
        "I love the color and texture.", "I love how calm it is and a form of rest.",
        "I love baking - it's calm and keeps me busy.",
        "There is a line that I like: Turn off the lamp.",
    ],
)  # fmt: skip
def test_what_belongs_to_something_else_is_no_second_thing(text: str) -> None:
    assert _drawn(text) <= {"likes baking"}


@pytest.mark.parametrize("rest", ["", " and work for Nokia", ", but drive an old Saab"])
def test_the_second_verb_has_the_same_subject(rest: str) -> None:
    assert "lives_in Oslo" in _drawn(f"I live in Oslo{rest}.")
    assert len(_drawn(f"I live in Oslo{rest}.")) == 1 + bool(rest)

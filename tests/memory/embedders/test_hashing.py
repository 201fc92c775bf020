"""The embedder of tests: the same everywhere, and alike for what shares words."""

from math import sqrt
from operator import mul

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.testing import HashingEmbedder


@given(st.text(st.characters(exclude_categories=[]), max_size=200))
def test_every_text_has_one_vector_of_length_one(text: str) -> None:
    first, second = HashingEmbedder(16).embed([text, text])
    assert first == second
    assert sqrt(sum(map(mul, first, first))) == pytest.approx(1)


def test_the_numbers_do_not_depend_on_the_process() -> None:
    (vector,) = HashingEmbedder(4).embed(["Alice moved to Berlin."])
    assert vector == pytest.approx(KNOWN, abs=1e-9)


def test_what_shares_words_is_more_alike() -> None:
    query, near, far = HashingEmbedder().embed(
        ["Where does Alice live?", "Alice lives in Berlin.", "The deploy failed at noon."]
    )
    assert sum(map(mul, query, near)) > sum(map(mul, query, far)) + 0.1


KNOWN = [-0.8576492931439955, -0.03898405877927248, 0.07796811755854509, 0.5067927641305427]

"""Vectors are checked before anyone compares them."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import ConfigError, InputError, ModelError
from treadle.memory.embedders.named_embedder import MOST_CHARACTERS, NamedEmbedder
from treadle.testing import HashingEmbedder


class Fixed:
    """An embedder that gives what it was given, whatever it is asked."""

    def __init__(self, vectors: Sequence[Sequence[float]]) -> None:
        self.vectors = vectors
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self.asked += texts
        return self.vectors


async def test_vectors_are_of_length_one_and_name_their_model() -> None:
    embedder = NamedEmbedder(Fixed([[3.0, 4.0]]), "fixed")
    assert embedder.model is None
    made = await embedder.vectors(["a"])
    assert made.model == "fixed/2" == embedder.model
    assert made.rows.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]


@pytest.mark.parametrize(
    "vectors",
    [
        [],
        [[1.0], [2.0]],
        [[math.nan, 1.0]],
        [[math.inf, 1.0]],
        [[0.0, 0.0]],
        [[]],
        [["many", "words"]],
        [[10**400, 1]],
    ],
)
def test_what_is_no_vector_is_refused(vectors: list[list[float]]) -> None:
    with pytest.raises(ModelError) as caught:
        NamedEmbedder(Fixed(vectors), "fixed").vectors_now(["a"])
    assert caught.value.code == "bad_embedding"


def test_vectors_of_different_lengths_are_refused() -> None:
    with pytest.raises(ModelError, match="bad_embedding"):
        NamedEmbedder(Fixed([[1.0, 2.0], [1.0]]), "fixed").vectors_now(["a", "b"])


def test_another_length_than_before_is_refused() -> None:
    fixed = Fixed([[1.0, 2.0]])
    embedder = NamedEmbedder(fixed, "fixed")
    embedder.vectors_now(["a"])
    fixed.vectors = [[1.0, 2.0, 3.0]]
    with pytest.raises(ModelError, match="vectors of 3 numbers where 2"):
        embedder.vectors_now(["a"])


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_there_is_no_vector_for_nothing(text: str) -> None:
    with pytest.raises(InputError) as caught:
        NamedEmbedder(Fixed([[1.0]]), "fixed").vectors_now([text])
    assert caught.value.code == "empty_text"


def test_ten_megabytes_and_lone_surrogates_are_cut_and_replaced() -> None:
    fixed = Fixed([[1.0], [1.0], [1.0]])
    NamedEmbedder(fixed, "fixed").vectors_now(["x" * 10_000_000, "a\ud83d b", "\ud83d\ude00"])
    assert len(fixed.asked[0]) == MOST_CHARACTERS
    assert fixed.asked[1:] == ["a\ufffd b", "\U0001f600"]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_every_finite_vector_but_zero_gets_length_one(vector: list[float]) -> None:
    embedder = NamedEmbedder(Fixed([vector]), "fixed")
    if not any(vector):
        with pytest.raises(ModelError):
            embedder.vectors_now(["a"])
    else:
        assert np.linalg.norm(embedder.vectors_now(["a"]).rows) == pytest.approx(1, abs=1e-5)


def test_names_that_cannot_be_told_apart_are_refused() -> None:
    for name in ("", " ", "a\nb", "x" * 201):
        with pytest.raises(ConfigError, match="bad_embedder"):
            NamedEmbedder(HashingEmbedder(), name)

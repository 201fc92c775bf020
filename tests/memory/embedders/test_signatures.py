"""Signatures side by side, and the nearest of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.memory.embedders.signatures import Signatures, signature_words, signatures


def units(count: int, dimensions: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def held(rows: np.ndarray, batch: int) -> Signatures:
    found = Signatures(signature_words(f"m/{rows.shape[1]}"))
    bits = signatures(rows).view("<u8")
    for start in range(0, len(rows), batch):
        numbers = list(range(start + 1, min(start + batch, len(rows)) + 1))
        found.add(numbers, bits[start : start + batch])
    return found


@given(st.integers(1, 200), st.integers(1, 130), st.integers(1, 60), st.integers(0, 99))
def test_a_vector_finds_itself(count: int, dimensions: int, batch: int, seed: int) -> None:
    rows = units(count, dimensions, seed)
    same = held(rows, batch)
    assert same.count == count
    assert len(set(same.nearest(rows[0], 5).tolist())) == min(count, 5)
    assert sorted(same.nearest(rows[0], count).tolist()) == list(range(1, count + 1))


def test_most_of_the_truly_nearest_are_among_the_candidates() -> None:
    rows = units(20_000, 384, 1)
    same = held(rows, 3_000)
    shares = []
    for query in units(20, 384, 2):
        truth = np.argsort(-(rows @ query))[:10] + 1
        shares.append(np.isin(truth, same.nearest(query, 400)).mean())
    # Random directions are the worst case: nothing is near to anything.
    assert np.mean(shares) > 0.8


def test_those_that_are_there_are_not_added_again() -> None:
    rows = units(10, 64, 3)
    same = held(rows, 10)
    bits = signatures(np.concatenate([rows, units(2, 64, 4)])).view("<u8")
    assert same.add_new([9, 10, 11, 12], bits[8:]) == 2
    assert same.items.tolist() == list(range(1, 13))
    assert same.newest == 12


@pytest.mark.parametrize(("dimensions", "words"), [(1, 1), (64, 1), (65, 2), (384, 6)])
def test_signatures_are_whole_words(dimensions: int, words: int) -> None:
    assert signature_words(f"any/model/{dimensions}") == words
    assert signatures(units(1, dimensions, 5)).shape == (1, 8 * words)

"""An embedder without a model: words and pieces of words, hashed."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from math import log1p, sqrt

_WORD = re.compile(r"\w+")
_GRAM = 3
_GRAM_WEIGHT = 0.3
_MOST_CHARACTERS = 20_000


class HashingEmbedder:
    """Signed feature hashing (arXiv 0902.2206) of words and of their character trigrams.

    The same text has the same vector in every process and on every machine. It knows nothing of
    meaning: for tests, and to see what a model adds.

    dimensions: how many numbers a vector has.
    """

    def __init__(self, dimensions: int = 384) -> None:
        if dimensions < 1:
            raise ValueError("a vector has one number at least")
        self.name = "hashing-1"
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text, that of an empty one included."""
        return [self._vector(text[:_MOST_CHARACTERS]) for text in texts]

    def _vector(self, text: str) -> list[float]:
        numbers = [0.0] * self.dimensions
        for feature, weight in _features(text).items():
            self._add(numbers, feature, weight)
        length = sqrt(sum(each * each for each in numbers))
        if length == 0:
            # No word, or features that cancel each other out to the last.
            self._add(numbers, f"text {text}", 1.0)
            length = 1.0
        return [each / length for each in numbers]

    def _add(self, numbers: list[float], feature: str, weight: float) -> None:
        digest = blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest()
        number = int.from_bytes(digest, "big")
        numbers[(number >> 1) % self.dimensions] += weight if number & 1 else -weight


def _features(text: str) -> dict[str, float]:
    words = Counter(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))
    found: dict[str, float] = {}
    for word, count in words.items():
        weight = log1p(count)
        found[f"word {word}"] = weight
        for gram in _grams(word):
            found[f"gram {gram}"] = found.get(f"gram {gram}", 0.0) + _GRAM_WEIGHT * weight
    return found


def _grams(word: str) -> Iterator[str]:
    marked = f"_{word}_"
    for start in range(len(marked) - _GRAM + 1):
        yield marked[start : start + _GRAM]

"""Words that are written alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from treadle.tools.retrieval.text import grams

ALIKE = 0.45
"""Dice coefficient of two words' 4-grams from which one stands in for the other."""


class Vocabulary:
    """The words of an index, with how many documents hold each; found by their 4-grams."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._size: dict[str, int] = {}
        self._by_gram: dict[str, dict[str, None]] = {}

    def add(self, words: Iterable[str]) -> None:
        """Count the words of a document."""
        for word in words:
            self._held[word] += 1
            if self._held[word] == 1:
                found = grams(word)
                self._size[word] = len(found)
                for gram in found:
                    self._by_gram.setdefault(gram, {})[word] = None

    def remove(self, words: Iterable[str]) -> None:
        """Take back what `add` counted."""
        for word in words:
            self._held[word] -= 1
            if not self._held[word]:
                del self._held[word], self._size[word]
                for gram in grams(word):
                    del self._by_gram[gram][word]
                    if not self._by_gram[gram]:
                        del self._by_gram[gram]

    def alike(self, word: str) -> list[tuple[str, float]]:
        """Other words that share most 4-grams with `word`, and how alike they are, up to 1."""
        wanted = grams(word)
        shared = Counter(each for gram in wanted for each in self._by_gram.get(gram, ()))
        return [
            (other, likeness)
            for other, common in shared.items()
            if other != word
            and (likeness := 2 * common / (len(wanted) + self._size[other])) >= ALIKE
        ]

"""Made-up notes and questions for measuring time; words are as uneven in frequency as real ones."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

_WORDS = 40_000
_EXPONENT = 1.05
"""Of Zipf's law; about what English has."""

_SYLLABLES = [
    first + vowel + last
    for first in ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z")
    for vowel in "aiou"
    for last in ("", "k", "l", "m", "n", "r", "x")
]
_OPENINGS = ("what did we say about", "when was", "how did", "who told me of", "where is", "why")


@dataclass(frozen=True, slots=True)
class Query:
    """A question, and the number of the note that its rare words were taken from."""

    text: str
    about: int


@dataclass(frozen=True, slots=True)
class Load:
    """`items` notes of 6 to 40 words, and `asked` questions on them; all follows from the seed."""

    items: int
    asked: int
    seed: int

    def text(self, number: int) -> str:
        """The words of a note."""
        own = random.Random(self.seed * 1_000_003 + number)
        length = min(40, 6 + int(own.expovariate(1 / 11)))
        return " ".join(_word(_rank(own)) for _ in range(length))

    def queries(self) -> Iterator[Query]:
        """Each with some words of one note, rare and common, and some of its own."""
        own = random.Random(self.seed)
        for at in range(self.asked):
            about = own.randrange(self.items)
            said = self.text(about).split()
            taken = own.sample(said, min(len(said), own.randint(2, 5)))
            others = [_word(_rank(own)) for _ in range(own.randint(1, 3))]
            mixed = [*taken, *others]
            own.shuffle(mixed)
            yield Query(f"{_OPENINGS[at % len(_OPENINGS)]} {' '.join(mixed)}?", about)


def _word(rank: int) -> str:
    """The word of this frequency rank."""
    base = len(_SYLLABLES)
    scattered = (rank * 30_011 + 7) % (base * base)
    return _SYLLABLES[scattered // base] + _SYLLABLES[scattered % base]


_CUMULATED = list(itertools.accumulate(1 / (rank + 2.7) ** _EXPONENT for rank in range(_WORDS)))


def _rank(source: random.Random) -> int:
    return bisect.bisect_left(_CUMULATED, source.random() * _CUMULATED[-1])

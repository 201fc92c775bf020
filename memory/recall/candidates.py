"""Which items to look at closely: what shares rare terms with the question, and its neighbours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest

MOST_CANDIDATES = 300
"""That are scored exactly in a namespace of up to 2,000 items: nearly all that share a word."""

LEAST_CANDIDATES = 60
"""In one of 10,000 and more, where each costs a read from another place on the disk."""

_READS = 600_000

_FROM_TERMS = 300
_PLENTY = 1_000
"""Items with a rarer word that make those with only more common ones not worth weighing."""

SMALL = 5_000
"""Items of a namespace up to which all that share a word are weighed all the same."""

_BEFORE_SHARE = 0.6
_AFTER_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Postings:
    """The newest items that have a term.

    numbers: newest first. complete: whether these are all.
    """

    term: str
    numbers: Sequence[int]
    complete: bool = True

    def frequency(self, items: int) -> int:
        """How many items have the term: counted, or estimated from how dense the newest lie."""
        count = len(self.numbers)
        if self.complete or count < 2:
            return count
        span = max(self.numbers[0] - self.numbers[-1], 1)
        return min(max(count * max(self.numbers[0], span) // span, count), max(items, count))


def how_many(items: int) -> int:
    """How many candidates are worth a close look in a namespace of so many items."""
    return min(MOST_CANDIDATES, max(LEAST_CANDIDATES, _READS // max(items, 1)))


def candidates(found: Sequence[Postings], items: int, most: int) -> list[int]:
    """The numbers of the most promising items, best first.

    Numbers that follow each other mostly are turns that follow each other: what stands after or
    before a match is a candidate too. Where that guess is wrong it only costs a place.
    """
    weight: dict[int, float] = {}
    for share, numbers in sorted(_shares(found, items), key=lambda each: -each[0]):
        if items > SMALL and len(weight) > _PLENTY:
            for number in weight.keys() & set(numbers):
                weight[number] += share
        else:
            for number in numbers:
                weight[number] = weight.get(number, 0.0) + share
    # Lists come newest first, so that of equals the newer ones are kept.
    top = nlargest(_FROM_TERMS, weight, key=weight.__getitem__)
    rough: dict[int, float] = {}
    for number in near(top):
        rough[number] = (
            weight.get(number, 0.0)
            + _BEFORE_SHARE * weight.get(number - 1, 0.0)
            + _AFTER_SHARE * weight.get(number + 1, 0.0)
        )
    return nlargest(most, rough, key=lambda number: (rough[number], number))


def _shares(found: Sequence[Postings], items: int) -> Iterator[tuple[float, Sequence[int]]]:
    """What having a term counts for, and the items that have it."""
    for postings in found:
        count = postings.frequency(items)
        if count:
            rest = max(items, count) - count
            yield math.log(1 + (rest + 0.5) / (count + 0.5)), postings.numbers


def near(numbers: Iterable[int], reach: int = 1) -> set[int]:
    """`numbers` and those around them."""
    return {
        each for number in numbers for each in range(number - reach, number + reach + 1) if each > 0
    }


def statistics_of(found: Sequence[Postings], items: int) -> Mapping[str, int]:
    """How many items have each term."""
    return {each.term: each.frequency(items) for each in found}

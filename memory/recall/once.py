"""Hits that say something once: a fact, or the episode that it was drawn from."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.memory.fact import Fact
from treadle.memory.hit import Hit
from treadle.memory.recall.standing import FIRST

_LONGER = 3
"""How many times as long as a fact an episode is that says more than the fact."""


def once(hits: Sequence[Hit], k: int) -> list[Hit]:
    """The first `k` of `hits`, in their order; repetitions only where there is room for them.

    A repetition is a fact below an episode that it was drawn from, unless it is among the first
    (it says what holds now), or a short episode below a fact.
    """
    again = _repetitions(hits)
    spare = max(k - (len(hits) - len(again)), 0)
    kept = list[Hit]()
    for place, hit in enumerate(hits):
        if place in again:
            if not spare:
                continue
            spare -= 1
        kept.append(hit)
    return kept[:k]


def _repetitions(hits: Sequence[Hit]) -> set[int]:
    said: set[str] = set()
    longest: dict[str, int] = {}
    found: set[int] = set()
    for place, hit in enumerate(hits):
        if isinstance(hit.item, Fact):
            if place >= FIRST and not said.isdisjoint(hit.item.sources):
                found.add(place)
            for source in hit.item.sources:
                longest[source] = max(longest.get(source, 0), len(hit.text))
        else:
            if len(hit.text) <= _LONGER * longest.get(hit.id, 0):
                found.add(place)
            said.add(hit.id)
    return found

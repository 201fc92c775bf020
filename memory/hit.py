"""What recall gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from treadle.core.taint import Labels
from treadle.memory.episode import Episode
from treadle.memory.fact import Fact


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that bears on a query, and why.

    item: an Episode or a Fact.
    score: comparable within one answer only; higher is better.
    ranks: its place by each signal that found it (`lexical`, `neighbours`, `dense`, `graph`,
        `temporal`, `recency`), from 1.
    """

    item: Episode | Fact
    score: float
    ranks: Mapping[str, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id of the item."""
        return self.item.id

    @property
    def text(self) -> str:
        """The words of the item."""
        return self.item.text

    @property
    def taint(self) -> Labels:
        """The untrusted sources that it has come from."""
        return self.item.taint


@dataclass(frozen=True, slots=True)
class Recall:
    """The answer to a query, best first.

    reason: why there are no hits, or fewer than asked for; empty where there is nothing to say.
    tokens: what the texts of the hits take in a prompt, an estimate.
    left_out: hits that did not fit into the budget.
    """

    hits: tuple[Hit, ...]
    reason: str = ""
    tokens: int = 0
    left_out: int = 0

    @property
    def nothing_relevant(self) -> bool:
        """Whether memory has nothing that bears on the query."""
        return not self.hits and not self.left_out

    @property
    def taint(self) -> Labels:
        """The untrusted sources that the hits have come from."""
        return frozenset(label for hit in self.hits for label in hit.taint)

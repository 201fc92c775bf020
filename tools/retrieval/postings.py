"""An inverted index: for each term, the weight that it has in each document."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Document = TypeVar("Document", bound=Hashable)


class Postings(Generic[Document]):
    """Saturated term weights by term and by document; documents come and go.

    saturation: k1 of BM25 (Robertson & Zaragoza, The Probabilistic Relevance Framework, 2009).
    """

    def __init__(self, saturation: float) -> None:
        self._saturation = saturation
        self._by_term: dict[str, dict[Document, float]] = {}
        self._terms: dict[Document, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._terms)

    def put(self, document: Document, counts: Mapping[str, float]) -> None:
        """Index `document`, in place of what it was; `counts` are weighted and normalised."""
        self.drop(document)
        self._terms[document] = tuple(counts)
        for term, count in counts.items():
            weight = count / (count + self._saturation)
            self._by_term.setdefault(term, {})[document] = weight

    def drop(self, document: Document) -> None:
        """Forget `document`, if it is there."""
        for term in self._terms.pop(document, ()):
            holders = self._by_term[term]
            del holders[document]
            if not holders:
                del self._by_term[term]

    def holders(self, term: str) -> Mapping[Document, float]:
        """The documents with `term` and its weight in each."""
        return self._by_term.get(term) or {}

    def rarity(self, term: str) -> float:
        """The inverse document frequency of `term`."""
        holders = len(self._by_term.get(term, ()))
        return math.log(1 + (len(self._terms) - holders + 0.5) / (holders + 0.5))

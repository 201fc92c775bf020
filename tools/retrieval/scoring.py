"""How well tools fit a query: as a whole, clause by clause, and by their families."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from treadle.tools.retrieval.family import Key
from treadle.tools.retrieval.postings import Postings
from treadle.tools.retrieval.text import MAX_CLAUSES, pairs
from treadle.tools.retrieval.vocabulary import Vocabulary
from treadle.tools.retrieval.weights import SearchWeights

Scores: TypeAlias = dict[int, float]
Weighted: TypeAlias = list[tuple[str, float]]  # terms of the index, and what a match is worth

_SHARP = 3  # power of a clause's scores: it has one best tool, or few
_FAINT = 0.2  # part of the best family's score below which a family's is left out
_FLOOR = 0.3  # part of a clause's best below which the power leaves nothing worth adding


class Scoring:
    """Scores the tools of an index for queries; it reads what the index keeps."""

    def __init__(
        self,
        tools: Postings[int],
        families: Postings[Key],
        members: Mapping[Key, Sequence[int]],
        vocabulary: Vocabulary,
        weights: SearchWeights,
    ) -> None:
        self._tools = tools
        self._families = families
        self._members = members
        self._vocabulary = vocabulary
        self._weights = weights

    def scores(self, clauses: Sequence[Sequence[str]]) -> Scores:
        """A score for each tool that has anything in common with the query, up to 1 + clause."""
        terms = [dict.fromkeys([*words, *pairs(words)]) for words in clauses]
        evidence = {term: self._evidence(term) for each in terms for term in each}
        whole = self._matched(evidence.values())
        best = max(whole.values(), default=0.0)
        if not best:
            return {}
        found = {tool: score / best for tool, score in whole.items()}
        if len(terms) > 1 and self._weights.clause:
            for tool, score in self._by_clause(terms, evidence.__getitem__, best).items():
                found[tool] = found.get(tool, 0.0) + self._weights.clause * score
        return found

    def _by_clause(
        self,
        clauses: Sequence[Iterable[str]],
        evidence: Callable[[str], Weighted],
        best: float,
    ) -> Scores:
        """For each tool how close to the best it is in the clause that it fits best.

        A query that asks for several things names each in a clause of its own; the tools for the
        one that is told at length would else crowd out the others.
        """
        found: Scores = {}
        for clause in clauses[:MAX_CLAUSES]:
            matched = self._matched(map(evidence, clause))
            top = max(matched.values(), default=0.0)
            # What says little ("I am planning a trip") matches little.
            weight = (top / best) ** 0.5
            floor = top * _FLOOR
            for tool, score in matched.items():
                if score > floor:
                    value = weight * (score / top) ** _SHARP
                    if value > found.get(tool, 0.0):
                        found[tool] = value
        return found

    def _matched(self, evidence: Iterable[Weighted]) -> Scores:
        scores: defaultdict[int, float] = defaultdict(float)
        by_family: defaultdict[Key, float] = defaultdict(float)
        share = self._weights.family
        for weighted in evidence:
            for term, worth in weighted:
                for tool, weight in self._tools.holders(term).items():
                    scores[tool] += worth * weight
                if share:
                    for family, weight in self._families.holders(term).items():
                        by_family[family] += worth * weight
        # What is far below the best family changes no order at the top, and costs most of the time.
        least = max(by_family.values(), default=0.0) * _FAINT
        for family, score in by_family.items():
            if score > least:
                gain = share * score
                for tool in self._members[family]:
                    scores[tool] += gain
        return scores

    def _evidence(self, term: str) -> Weighted:
        """What stands for `term` in the index: itself, and words that are written alike."""
        known = bool(self._tools.holders(term))
        rarity = self._tools.rarity(term)
        if " " in term:
            return [(term, self._weights.pair * rarity)] if known else []
        found: Weighted = [(term, rarity)] if known else []
        if self._weights.similar:
            for other, likeness in self._vocabulary.alike(term):
                worth = self._tools.rarity(other)
                if known:
                    worth = min(worth, rarity)  # a rare misspelling says no more than the word
                found.append((other, self._weights.similar * likeness * worth))
        return found

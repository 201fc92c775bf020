"""What share of the evidence is found: the figures of the bench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from treadle.memory.locomo.dataset import CATEGORIES, Question

DEPTHS = (5, 10, 20)
_WITHIN = 10


@dataclass(frozen=True, slots=True)
class Ranking:
    """A question, and the ids of single turns that were found for it, best first."""

    question: Question
    ids: tuple[str, ...]

    def recall(self, depth: int) -> float:
        """The share of the evidence among the first `depth` turns."""
        evidence = self.question.evidence
        return len(set(self.ids[:depth]).intersection(evidence)) / len(evidence)

    def reciprocal_rank(self) -> float:
        """1 by the rank of the first turn that is evidence, 0 where none was found."""
        evidence = set(self.question.evidence)
        ranks = (rank for rank, each in enumerate(self.ids, 1) if each in evidence)
        first = next(ranks, None)
        return 0.0 if first is None else 1.0 / first


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over questions.

    recall: by depth, 5, 10 and 20 turns. all_at_10: the share of questions with all evidence among
    the first 10. mrr: of reciprocal ranks.
    """

    questions: int
    recall: dict[int, float]
    all_at_10: float
    mrr: float


def scores(rankings: Sequence[Ranking]) -> Scores:
    """The figures over `rankings`; zeros where there are none."""
    if not rankings:
        return Scores(0, dict.fromkeys(DEPTHS, 0.0), 0.0, 0.0)
    return Scores(
        questions=len(rankings),
        recall={depth: fmean(each.recall(depth) for each in rankings) for depth in DEPTHS},
        all_at_10=fmean(float(each.recall(_WITHIN) == 1.0) for each in rankings),
        mrr=fmean(each.reciprocal_rank() for each in rankings),
    )


def by_category(rankings: Sequence[Ranking]) -> dict[str, Scores]:
    """The figures of each category that has questions."""
    found: dict[str, Scores] = {}
    for category in CATEGORIES.values():
        own = [each for each in rankings if each.question.category == category]
        if own:
            found[category] = scores(own)
    return found

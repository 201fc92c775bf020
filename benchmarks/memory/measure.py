"""What of the evidence stands among the first k turns that were found."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.memory.conversation import MULTI_HOP, Conversation

DEPTHS = (5, 10, 20)


@dataclass(frozen=True, slots=True)
class Quality:
    """Recall at each of DEPTHS, multi-hop questions with all evidence in 10, mean reciprocal rank."""

    recall: tuple[float, ...]
    all_of_multi_hop: float
    reciprocal_rank: float
    questions: int


def quality(talks: Sequence[Conversation], ranked: Sequence[Sequence[str]]) -> Quality:
    """ranked: for each question of each conversation, in order, ids of turns, best first."""
    asked = [question for talk in talks for question in talk.questions]
    pairs = list(zip(asked, ranked, strict=True))
    recall = tuple(
        statistics.fmean(
            len(question.evidence.intersection(found[:depth])) / len(question.evidence)
            for question, found in pairs
        )
        for depth in DEPTHS
    )
    hops = [
        question.evidence <= set(found[:10])
        for question, found in pairs
        if question.category == MULTI_HOP
    ]
    first = [
        next((1 / at for at, each in enumerate(found, 1) if each in question.evidence), 0.0)
        for question, found in pairs
    ]
    return Quality(recall, statistics.fmean(hops), statistics.fmean(first), len(asked))

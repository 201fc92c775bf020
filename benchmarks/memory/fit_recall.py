"""Fit the weights of recall's ranker on LoCoMo, and judge them by leaving conversations out.

Prints cross-validated figures with 95% bootstrap intervals (over questions), then the weights as
`memory/recall/weights.py` has them:

    python -m benchmarks.memory.fit_recall --locomo locomo10.json --embedder none|local
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from treadle.memory.embedders import resolve_embedder
from treadle.memory.kinds import Kind
from treadle.memory.locomo import Conversation, Ranking, read_locomo, scores
from treadle.memory.recall.candidates import Postings, candidates, how_many, near, statistics_of
from treadle.memory.recall.entry import Entry, Surroundings
from treadle.memory.recall.features import DENSE, NAMES, Scoring, Statistics
from treadle.memory.recall.question import Question
from treadle.memory.text import terms

PENALTY = 0.03
DENSE_CANDIDATES = 80
SEED = 0

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """A question's candidates: their ids, features, and which are evidence."""

    ranking: Ranking
    features: Matrix
    wanted: npt.NDArray[np.float64]


def examples(conversation: Conversation, embedder: str) -> list[Example]:
    """All questions of a conversation, as recall sees them."""
    turns = conversation.turns
    entries = [
        Entry(
            number=at,
            kind=Kind.EPISODE,
            text=turn.content,
            terms=terms(turn.content),
            actor=turn.speaker,
            thread=f"session {turn.session}",
            previous=at - 1 if at > 1 and turns[at - 2].session == turn.session else None,
            time=turn.time.timestamp(),
        )
        for at, turn in enumerate(turns, 1)
    ]
    named = resolve_embedder(embedder)
    cosines = None
    if named is not None:
        said = named.vectors_now([f"{turn.speaker}: {turn.content}" for turn in turns]).rows
        asked = named.vectors_now([each.text for each in conversation.questions]).rows
        cosines = asked @ said.T
    postings: dict[str, list[int]] = {}
    for entry in entries:
        for term in set(entry.terms):
            postings.setdefault(term, []).insert(0, entry.number)
    now = max(turn.time for turn in turns) + timedelta(days=1)
    mean = sum(len(each.terms) for each in entries) / len(entries)
    made = list[Example]()
    for place, asked_for in enumerate(conversation.questions):
        question = Question.of(asked_for.text, now)
        lists = [Postings(term, postings.get(term, [])) for term in question.terms]
        chosen = dict.fromkeys(candidates(lists, len(entries), how_many(len(entries))))
        of_each: dict[int, float] = {}
        if cosines is not None:
            of_each = {at: float(each) for at, each in enumerate(cosines[place], 1)}
            chosen |= dict.fromkeys(sorted(of_each, key=lambda n: -of_each[n])[:DENSE_CANDIDATES])
        around = Surroundings(entries[n - 1] for n in near(chosen, 2) if n <= len(entries))
        counted = Statistics(len(entries), mean, statistics_of(lists, len(entries)))
        picked = [entries[number - 1] for number in chosen if number <= len(entries)]
        ids = tuple(turns[each.number - 1].id for each in picked)
        wanted = np.array([float(each in asked_for.evidence) for each in ids])
        rows = Scoring(question, around, counted, of_each).rows(picked)
        share = wanted / np.sqrt(len(asked_for.evidence))
        made.append(Example(Ranking(asked_for, ids), np.array(rows), share))
    return made


def fit(given: list[Example], scale: Matrix) -> Matrix:
    """Listwise softmax (ListNet, Cao et al., ICML 2007) with an L2 penalty, by Newton's method."""
    weights = np.zeros(len(scale))
    for _ in range(12):
        gradient = 2 * PENALTY * weights
        hessian = 2 * PENALTY * np.eye(len(scale))
        for each in given:
            rows = each.features / scale
            logits = rows @ weights
            chance = np.exp(logits - logits.max())
            chance /= chance.sum()
            mean, mass = chance @ rows, each.wanted.sum()
            gradient += (mass * mean - each.wanted @ rows) / len(given)
            centred = rows - mean
            hessian += mass * (centred * chance[:, None]).T @ centred / len(given)
        step: Matrix = np.asarray(np.linalg.solve(hessian, gradient), np.float64)
        length, before = 1.0, loss(given, scale, weights)
        # Shorter while it overshoots: the full step is right near the optimum only.
        while length > 1e-4 and loss(given, scale, weights - length * step) > before:
            length /= 2
        weights = weights - length * step
    return weights


def loss(given: list[Example], scale: Matrix, weights: Matrix) -> float:
    """What `fit` makes small."""
    total = 0.0
    for each in given:
        logits = (each.features / scale) @ weights
        top = logits.max()
        spread = float(top + np.log(np.exp(logits - top).sum()))
        total += spread * float(each.wanted.sum()) - float(each.wanted @ logits)
    return total / len(given) + PENALTY * float(weights @ weights)


def main() -> None:
    """Print figures and weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--locomo", required=True)
    parser.add_argument("--embedder", default="none")
    arguments = parser.parse_args()
    used = [n for n in range(len(NAMES)) if arguments.embedder != "none" or NAMES[n] not in DENSE]
    folds = [
        [Example(e.ranking, e.features[:, used], e.wanted) for e in examples(c, arguments.embedder)]
        for c in read_locomo(arguments.locomo)
    ]
    everything = [each for fold in folds for each in fold]
    scale = np.maximum(np.concatenate([e.features for e in everything]).std(0), 1e-3)
    found = list[Ranking]()
    for left_out, fold in enumerate(folds):
        weights = fit([e for at, f in enumerate(folds) if at != left_out for e in f], scale)
        for each in fold:
            order = np.argsort(-(each.features / scale) @ weights, kind="stable")
            ids = tuple(each.ranking.ids[at] for at in order)
            found.append(Ranking(each.ranking.question, ids))
    multi_hop = [each for each in found if each.question.category == "multi_hop"]
    random = np.random.default_rng(SEED)
    for name, of in (("all", found), ("multi_hop", multi_hop)):
        values = np.array([(e.recall(10), float(e.recall(10) == 1.0)) for e in of])
        drawn = [random.choice(values, len(values)).mean(0) for _ in range(2000)]
        low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
        print(f"# {name}: {scores(of)}")
        print(f"# recall@10 {low[0]:.3f}-{high[0]:.3f}, all@10 {low[1]:.3f}-{high[1]:.3f}")
    for at, weight in zip(used, fit(everything, scale) / scale, strict=True):
        print(f'    "{NAMES[at]}": {weight:.3f},')


if __name__ == "__main__":
    main()

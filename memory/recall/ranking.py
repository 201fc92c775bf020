"""From features to an order: a linear ranker with learned weights, and the ranks by signal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul

from treadle.memory.kinds import Kind
from treadle.memory.recall.entry import Entry
from treadle.memory.recall.features import NAMES
from treadle.memory.recall.weights import LEXICAL, WITH_DENSE

_RECENCY = 0.05
"""What being new adds at most: enough between equals, too little to outdo an answer."""

_USE = 0.01
_MONTH = 30 * 86_400.0

SIGNALS: Mapping[str, str] = {
    "lexical": "turn",
    "neighbours": "window",
    "dense": "dense",
    "temporal": "date",
}
"""The signals that hits explain themselves by, and the feature that stands for each."""


_RELATED = ("window", "prefix", "thread", "date")
"""Features of which one is over 0 for whatever has to do with the question."""

_OWN = ("turn", "prefix", "date")
"""Those of them that are of the item itself, and not of what stands around it."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score and its ranks by signal, from 1.

    related: whether its words, its thread's, or its date have to do with the question.
    own: whether its own words or its date do.
    """

    entry: Entry
    score: float
    ranks: Mapping[str, int]
    related: bool
    own: bool


def ranked(
    entries: Sequence[Entry],
    rows: Sequence[Sequence[float]],
    graph: Mapping[tuple[Kind, int], float],
    lowered: Mapping[tuple[Kind, int], float],
    now: float,
    *,
    dense: bool,
    most: int,
) -> list[Ranked]:
    """The best `most` entries, best first; the newer first where equal.

    graph: how near an item is by whom it speaks of. lowered: what is taken from its score.
    """
    weights = _weights(WITH_DENSE if dense else LEXICAL)
    recency = [_recency(each, now) for each in entries]
    graph_of = [graph.get((each.kind, each.number), 0.0) for each in entries]
    less = [lowered.get((each.kind, each.number), 0.0) for each in entries]
    scores = [
        sum(map(mul, weights, row)) + _GRAPH * linked + fresh + _USE * math.log1p(each.uses) - low
        for each, row, linked, fresh, low in zip(
            entries, rows, graph_of, recency, less, strict=True
        )
    ]
    places = {name: NAMES.index(feature) for name, feature in SIGNALS.items()}
    signals = {name: _ranks([row[at] for row in rows]) for name, at in places.items()}
    related = [NAMES.index(name) for name in _RELATED]
    own = [NAMES.index(name) for name in _OWN]
    signals["graph"] = _ranks(graph_of)
    signals["recency"] = _ranks(recency)
    order = sorted(
        range(len(entries)), key=lambda at: (-scores[at], -entries[at].time, -entries[at].number)
    )[:most]
    return [
        Ranked(
            entries[at],
            scores[at],
            {name: ranks[at] for name, ranks in signals.items() if at in ranks},
            any(rows[at][place] > 0 for place in related),
            any(rows[at][place] > 0 for place in own),
        )
        for at in order
    ]


_GRAPH = 0.15


def _weights(named: Mapping[str, float]) -> list[float]:
    return [named.get(name, 0.0) for name in NAMES]


def _recency(entry: Entry, now: float) -> float:
    return _RECENCY / (1.0 + max(now - entry.time, 0.0) / _MONTH)


def _ranks(values: Sequence[float]) -> dict[int, int]:
    """The rank of each place that has a value over 0; equal values share a rank."""
    places = sorted(
        (at for at, value in enumerate(values) if value > 0), key=lambda at: -values[at]
    )
    found: dict[int, int] = {}
    for rank, at in enumerate(places, 1):
        above = places[rank - 2] if rank > 1 else None
        found[at] = found[above] if above is not None and values[above] == values[at] else rank
    return found

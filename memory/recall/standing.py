"""Who comes first among what was found: what answers, before what only stands beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from treadle.memory import tables
from treadle.memory.fence import owned
from treadle.memory.kinds import Kind
from treadle.memory.recall.question import Question
from treadle.memory.recall.ranking import Ranked
from treadle.memory.recall.reading import Times, given
from treadle.memory.store import Partition

FIRST = 3
"""Places in which facts that have the words of the query are."""

_MATCHES = 0.5
"""The share of the query's words that such a fact has."""

_fact, _source = tables.fact, tables.fact_source


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn from episodes.

    outdated: episodes whose facts were all closed at the time that is asked about.
    sources: for each fact the episodes that say so.
    """

    outdated: frozenset[int] = frozenset()
    sources: Mapping[int, Sequence[int]] | None = None

    def graph(self, of_episodes: Mapping[int, float]) -> dict[int, float]:
        """The graph scores of facts: the best among the episodes that speak of their subjects."""
        return {
            fact: max(of_episodes.get(each, 0.0) for each in episodes)
            for fact, episodes in (self.sources or {}).items()
        }


async def drawn(partition: Partition, episodes: Sequence[int], times: Times) -> Drawn:
    """What was drawn from `episodes`, and which of them it leaves behind at the times."""
    if not episodes:
        return Drawn()
    live = sa.and_(*times.facts()).label("live")
    later = sa.func.coalesce(_fact.c.valid_from > times.as_of, sa.false()).label("later")
    query = (
        sa.select(_source.c.fact_id, _source.c.episode_id, live, later)
        .select_from(_source.join(_fact, _fact.c.id == _source.c.fact_id))
        .where(
            owned(partition, _source),
            owned(partition, _fact),
            _source.c.episode_id.in_(given(partition, episodes)),
        )
    )
    sources: dict[int, list[int]] = {}
    standing, fallen = set[int](), set[int]()
    for row in await partition.execute(query):
        sources.setdefault(row.fact_id, []).append(row.episode_id)
        (standing if row.live or row.later else fallen).add(row.episode_id)
    return Drawn(frozenset(fallen - standing), sources)


def with_facts_first(
    best: Sequence[Ranked], question: Question, own: Collection[int] = ()
) -> list[Ranked]:
    """`best` with the facts that have most of the query's words within the first places.

    own: the subjects that whoever asks is, where the question is about them: theirs come first.
    """
    asked = set(question.topic)
    share = {
        at: len(asked.intersection(each.entry.terms)) / max(len(asked), 1)
        for at, each in enumerate(best)
        if each.entry.kind is Kind.FACT
    }
    most = max(share.values(), default=0.0)
    if most < _MATCHES:
        return list(best)
    most_words = [at for at, found in share.items() if found == most]
    theirs = [at for at in most_words if best[at].entry.subject in own]
    lifted = (theirs or most_words)[: FIRST - 1]
    rest = [each for at, each in enumerate(best) if at not in lifted]
    # Before the same of others, where that comes earlier.
    first = min(most_words[0], FIRST - len(lifted)) if theirs else FIRST - len(lifted)
    for place, at in enumerate(lifted, first):
        rest.insert(min(at, place), best[at])
    return rest

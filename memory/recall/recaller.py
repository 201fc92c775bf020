"""Recall: what bears on a query, best first, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from treadle.core.errors import InputError
from treadle.core.threads import run_in_thread
from treadle.memory.embedders import DenseSearch, Vectors
from treadle.memory.hit import Hit, Recall
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace
from treadle.memory.recall import graph, reading
from treadle.memory.recall.asker import asker
from treadle.memory.recall.candidates import (
    SMALL,
    candidates,
    how_many,
    near,
    statistics_of,
)
from treadle.memory.recall.entry import Entry, Surroundings
from treadle.memory.recall.features import Scoring, Statistics
from treadle.memory.recall.items import items
from treadle.memory.recall.once import once
from treadle.memory.recall.question import Question
from treadle.memory.recall.ranking import Ranked, ranked
from treadle.memory.recall.reading import Times
from treadle.memory.recall.relevance import Evidence, clear, relevant, speaks_for
from treadle.memory.recall.standing import Drawn, drawn, with_facts_first
from treadle.memory.store import Partition, Store
from treadle.memory.text import token_estimate
from treadle.memory.times import moment, seconds

MOST_HITS = 1_000
MOST_CHARACTERS = 1_000_000

_KINDS = (Kind.EPISODE, Kind.FACT)
_REACH = 2
"""Episodes around a candidate that are read with it."""

_DENSE = 80
"""Candidates by their vectors alone."""

_LINKED = 60
"""Of the best candidates, those whose thread is followed where it is told between others."""

_DATED = 100
"""Episodes of a stretch of time, where nothing else is asked for."""

_QUESTION = 1.5
"""What a question that nobody answered loses: what says something of the same comes first."""

_OUTDATED = 2.5
"""What an episode loses of which nothing holds any more."""

_BESIDE = 20
"""Of the best candidates of a large namespace, those whose neighbours are candidates too."""

_TOP = 10
"""Hits that are asked whether memory has anything relevant."""

_SPARE = 10
"""Places that are ranked besides, for what falls out later."""

_WORTH_A_THREAD = 400
"""Entries from which on scoring would hold up the event loop for too long."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What the database has for a question."""

    entries: list[Entry]
    around: Surroundings
    statistics: Statistics
    cosines: Mapping[int, float]
    fact_cosines: Mapping[int, float]
    graph: Mapping[int, float]
    drawn: Drawn
    own: Sequence[int] = ()

    def graph_scores(self) -> dict[tuple[Kind, int], float]:
        """How near each item is by whom it speaks of; a fact as its sources are."""
        of_facts = self.drawn.graph(self.graph)
        return {(Kind.EPISODE, number): score for number, score in self.graph.items()} | {
            (Kind.FACT, number): score for number, score in of_facts.items()
        }

    def cosine(self, entry: Entry) -> float:
        """How near the vector of an entry is; 0 without one."""
        of_kind = self.cosines if entry.kind is Kind.EPISODE else self.fact_cosines
        return of_kind.get(entry.number, 0.0)


class Recaller:
    """Fuses what terms, neighbours, vectors, entities, dates and age say about each item.

    dense: a search by vectors; None for lexical recall only.
    """

    def __init__(self, store: Store, dense: DenseSearch | None = None) -> None:
        self._store = store
        self._dense = dense

    async def recall(
        self,
        query: str,
        k: int = 10,
        *,
        namespace: Namespace,
        as_of: datetime | float | str | None = None,
        known_at: datetime | float | str | None = None,
        budget_tokens: int | None = None,
        kinds: Collection[Kind] = _KINDS,
    ) -> Recall:
        """At most `k` episodes and facts of `namespace`, which fit into `budget_tokens`.

        as_of: episodes until then, facts as they held then; facts as they hold now without it.
        known_at: only what the store knew then.

        Raises InputError: `bad_query`, `bad_date`; what the embedder raises; RunError where the
        database fails.
        """
        wanted = [each for each in _KINDS if each in kinds]
        _check(query, k, budget_tokens, wanted)
        asked_of, known = seconds(as_of), seconds(known_at)
        now = self._store.clock.now() if asked_of is None else asked_of
        times = Times(now, asked_of is not None, known)
        asked_at = moment(now)
        assert asked_at is not None
        question = Question.of(query, asked_at)
        vectors = await self._dense.query(query) if self._dense is not None else None
        if not question.terms and vectors is None:
            return Recall((), "the query has no words to look for")
        answer = partial(
            self._answer, question=question, vectors=vectors, times=times, kinds=wanted, k=k
        )
        if vectors is None:
            found = await self._store.read(namespace, answer)
        else:
            # What is kept of vectors in memory belongs to the event loop.
            async with self._store.reading(namespace) as partition:
                found = await answer(partition)
        return found if isinstance(found, Recall) else _within(found, budget_tokens)

    async def _answer(
        self,
        partition: Partition,
        *,
        question: Question,
        vectors: Vectors | None,
        times: Times,
        kinds: Sequence[Kind],
        k: int,
    ) -> list[Hit] | Recall:
        """The hits; a Recall without any, which says why."""
        if not times.bounded:
            # A fact may have been told within this very moment of the clock.
            times = replace(times, as_of=max(times.as_of, partition.now))
        found = await self._find(partition, question, vectors, times, kinds)
        if not found.entries:
            return Recall((), "nothing in memory shares a word with the query")
        model = None if vectors is None else vectors.model
        rank = partial(_rank, question, found, times.as_of, model, 2 * k + _SPARE)
        on_loop = vectors is not None or not partition.is_sqlite
        long = len(found.around.entries) > _WORTH_A_THREAD
        best, evidence = await run_in_thread(rank) if on_loop and long else rank()
        if not relevant(evidence):
            return Recall((), "what memory has is too far from the query")
        return await _hits(partition, best, k)

    async def _find(
        self,
        partition: Partition,
        question: Question,
        vectors: Vectors | None,
        times: Times,
        kinds: Sequence[Kind],
    ) -> _Found:
        most = reading.MOST_ROWS_PAST if times.past else reading.MOST_ROWS
        there = await reading.listed(partition, kinds, question.terms, most)
        count, lists = there.items, there.lists
        chosen = {
            kind: dict.fromkeys(candidates(lists[kind], count, how_many(count))) for kind in kinds
        }
        if vectors is not None and self._dense is not None:
            for kind in kinds:
                for alike in await self._dense.search(
                    partition, kind, vectors, min(_DENSE, how_many(count))
                ):
                    chosen[kind][alike.item_id] = None
        related: Mapping[int, float] = {}
        if Kind.EPISODE in kinds:
            related = await graph.related(partition, question, list(chosen[Kind.EPISODE]))
            chosen[Kind.EPISODE].update(dict.fromkeys(related))
        if question.only_dates and Kind.EPISODE in kinds:
            dated = await reading.within(partition, question.dates, times, _DATED)
            chosen[Kind.EPISODE].update(dict.fromkeys(dated))
        read = list[Entry]()
        if Kind.EPISODE in kinds and chosen[Kind.EPISODE]:
            best = list(chosen[Kind.EPISODE])
            read = await reading.episodes(partition, near(best, _REACH), best[:_LINKED], times)
        facts = list[Entry]()
        if Kind.FACT in kinds and chosen[Kind.FACT]:
            facts = await reading.facts(partition, list(chosen[Kind.FACT]), times)
        cosines: Mapping[int, float] = {}
        fact_cosines: Mapping[int, float] = {}
        if vectors is not None and self._dense is not None:
            numbers_read = [each.number for each in read]
            cosines = await self._dense.cosines(partition, Kind.EPISODE, vectors, numbers_read)
            of_facts = [each.number for each in facts]
            fact_cosines = await self._dense.cosines(partition, Kind.FACT, vectors, of_facts)
        frequency = dict(statistics_of(lists.get(Kind.EPISODE, ()), count))
        for term, number in statistics_of(lists.get(Kind.FACT, ()), count).items():
            frequency[term] = max(frequency.get(term, 0), number)
        around = Surroundings(read)
        picked = _with_beside(around, list(chosen.get(Kind.EPISODE, ())), count)
        episodes = [each for each in read if each.number in picked]
        statistics = Statistics(max(count, *frequency.values(), 1), there.mean_length, frequency)
        # What somebody asks about another time is not out of date.
        weighed = [] if question.dates or question.when else [each.number for each in episodes]
        said = await drawn(partition, weighed, times)
        own = await asker(partition, read) if question.own and facts else ()
        return _Found(
            episodes + facts, around, statistics, cosines, fact_cosines, related, said, own
        )


def _with_beside(around: Surroundings, candidates: Sequence[int], items: int) -> set[int]:
    """What stands beside a candidate in its thread is one too, wherever it is in the table.

    In a large namespace only where the candidate is a good one: others have no chance.
    """
    best = candidates if items <= SMALL else candidates[:_BESIDE]
    picked = set(candidates)
    for each in [around.entries.get(number) for number in best]:
        for beside in (around.before(each), around.after(each)):
            if beside is not None:
                picked.add(beside.number)
    return picked


def _rank(
    question: Question, found: _Found, now: float, model: str | None, most: int
) -> tuple[list[Ranked], Evidence]:
    told = Scoring(question, found.around, found.statistics, found.cosines)
    read = [each for each in found.entries if each.kind is Kind.EPISODE]
    episodes = [each for each in read if each.number not in told.echoes]
    facts = [each for each in found.entries if each.kind is Kind.FACT]
    if not episodes and not facts:
        return [], Evidence(0.0, 0.0, model)
    # Facts stand alone: their numbers are of another table than those of episodes.
    held = Scoring(question, Surroundings(facts), found.statistics, found.fact_cosines)
    best = ranked(
        episodes + facts,
        told.rows(episodes) + held.rows(facts),
        found.graph_scores(),
        {(each.kind, each.number): _less(each, told, found.drawn) for each in episodes},
        now,
        dense=model is not None,
        most=max(most, _TOP),
    )
    if question.only_dates:
        dated = [each for each in best if _within_dates(each.entry, question)]
        if dated:
            return dated, Evidence(1.0, 1.0, model)
    best = _speaking_first(best, told, found)
    if not best:
        return [], Evidence(0.0, 0.0, model)
    cosines = [found.cosine(each.entry) for each in best]
    covered = max(
        (told if each.entry.kind is Kind.EPISODE else held).evidence(each.entry)
        for each in best[:_TOP]
    )
    evidence = Evidence(covered, max(cosines[:_TOP]), model)
    if clear(evidence):
        nearest = max(cosines)
        best = [each for each in best if _speaks(each, told, found, nearest)]
    return with_facts_first(best, question, found.own), evidence


def _less(episode: Entry, told: Scoring, drawn: Drawn) -> float:
    outdated = _OUTDATED if episode.number in drawn.outdated else 0.0
    return outdated + (_QUESTION if told.demoted(episode) else 0.0)


def _within_dates(entry: Entry, question: Question) -> bool:
    return any(
        each.start.timestamp() <= entry.time < each.end.timestamp() for each in question.dates
    )


def _speaks(each: Ranked, told: Scoring, found: _Found, nearest: float) -> bool:
    """Whether anything speaks for an item; what stands around it does in a dialogue only."""
    entry = each.entry
    related = each.own or (each.related and told.answers_beside(entry))
    return speaks_for(related or entry.actor in told.named, found.cosine(entry), nearest)


def _speaking_first(best: Sequence[Ranked], told: Scoring, found: _Found) -> list[Ranked]:
    """What only stands beside or is linked to something that answers follows it, or is nothing."""
    nearest = max(found.cosine(each.entry) for each in best)
    first = [each for each in best if _speaks(each, told, found, nearest)]
    if not first:
        return []
    return first + [each for each in best if each not in first]


def _check(query: str, k: int, budget_tokens: int | None, kinds: Sequence[Kind]) -> None:
    if not isinstance(query, str) or len(query) > MOST_CHARACTERS:
        raise InputError(
            "bad_query", f"a query is a text of at most {MOST_CHARACTERS:,} characters"
        )
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MOST_HITS:
        raise InputError("bad_query", f"k is a number from 1 to {MOST_HITS}")
    if budget_tokens is not None and budget_tokens <= 0:
        raise InputError("bad_query", "budget_tokens is a number over 0")
    if not kinds:
        raise InputError("bad_query", "recall gives episodes, facts or both: name one of them")


async def _hits(partition: Partition, best: Sequence[Ranked], k: int) -> list[Hit]:
    """The items themselves, at most `k`."""
    facts = sum(each.entry.kind is Kind.FACT for each in best[:k])
    # Each fact may make a place free: its own, or that of the episode that it was drawn from.
    best = best[: k + facts]
    found = await items(
        partition,
        {kind: [each.entry.number for each in best if each.entry.kind is kind] for kind in _KINDS},
    )
    hits = [
        Hit(found[key], each.score, each.ranks)
        for each in best
        if (key := (each.entry.kind, each.entry.number)) in found
    ]
    return once(hits, k)


def _within(hits: Sequence[Hit], budget_tokens: int | None) -> Recall:
    """The hits that fit, best first: one that does not fit leaves room for shorter ones."""
    kept, spent = list[Hit](), 0
    for hit in hits:
        tokens = token_estimate(hit.text)
        if budget_tokens is None or spent + tokens <= budget_tokens:
            kept.append(hit)
            spent += tokens
    left_out = len(hits) - len(kept)
    reason = f"{left_out} hits did not fit into {budget_tokens} tokens" if left_out else ""
    if left_out and not kept:
        fewest = min(token_estimate(hit.text) for hit in hits)
        reason = f"nothing fits into {budget_tokens} tokens: {left_out} hits, from {fewest} on"
    return Recall(tuple(kept), reason, spent, left_out)

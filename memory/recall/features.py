"""What speaks for an item as the answer to a question: numbers that a linear ranker weighs.

The lexical core is BM25 (Robertson and Zaragoza, 2009) on a turn alone and on a turn with those
around it: what a turn is about often stands in the one that it answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from treadle.memory.kinds import Kind
from treadle.memory.recall.entry import Entry, Surroundings
from treadle.memory.recall.question import Question
from treadle.memory.text import terms

_K1 = 1.0
_B = 0.4
_LEAST_WEIGHT = 4.0
"""Scores are shares of what a perfect match has; for vague questions of at least this."""

_PREFIX = 5
_DAY = 86_400.0
_LONG_INTERVAL = 100 * _DAY

NAMES: tuple[str, ...] = (
    "turn", "before", "after", "pair", "answered", "window",
    "covered", "covered_square", "pair_covered", "pair_covered_square", "rarest",
    "pair_counted", "phrase", "prefix", "thread", "turn_before", "best_neighbour",
    "speaker", "speaker_turn", "speaker_pair", "speaker_before", "names_speaker",
    "asks", "asks_turn", "has_question", "answers", "answers_before", "length", "short",
    "opens", "first_person",
    "when_time", "when_time_turn", "number", "thing_name", "place_name", "date",
    "dense", "dense_before", "dense_after", "dense_thread", "dense_turn", "dense_speaker",
)  # fmt: skip
"""The features, in the order of the rows that `Scoring.rows` gives."""

DENSE = frozenset(name for name in NAMES if name.startswith("dense"))
"""Those that need an embedder."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the namespace: for each term of the question how many items have it."""

    items: int
    mean_length: float
    frequency: Mapping[str, int]

    def weight(self, term: str) -> float:
        """The inverse document frequency of a term; 0 for one that nothing has."""
        count = self.frequency.get(term, 0)
        if not count:
            return 0.0
        items = max(self.items, count)
        return math.log(1 + (items - count + 0.5) / (count + 0.5))


@dataclass(slots=True)
class _Match:
    """What an entry has of the question: how often each term, what that weighs."""

    counts: dict[str, int]
    length: int
    score: float
    covered: float = 0.0
    has: frozenset[str] = field(default_factory=frozenset)


class Scoring:
    """One question against the entries that were read for it."""

    def __init__(
        self,
        question: Question,
        around: Surroundings,
        statistics: Statistics,
        cosines: Mapping[int, float],
    ) -> None:
        self._question = question
        self._around = around
        self.echoes = frozenset(n for n, e in around.entries.items() if _is_echo(e, question))
        """Episodes that only ask what the query asks: they say nothing that it does not."""
        unheard = {n for n in self.echoes if not _answered(around.entries[n], around)}
        self._unheard = unheard
        self._cosines = {n: c for n, c in cosines.items() if n not in unheard}
        actors = {each.actor for each in around.entries.values()}
        self._actors = {actor: frozenset(terms(actor[:200])) for actor in actors}
        actor_terms = frozenset[str]().union(*self._actors.values())
        asked = set(question.terms)
        self._topic = frozenset(question.topic)
        self.named = frozenset(name for name, own in self._actors.items() if own & asked)
        self._named_terms = asked & actor_terms
        wanted = [term for term in question.terms if term not in actor_terms]
        self.wanted = tuple(wanted or question.terms)
        self._weights = {term: statistics.weight(term) for term in self.wanted}
        self._asked = frozenset(self.wanted)
        self._unknown = math.log(2.0 * max(statistics.items, 1) + 2)
        self._total = max(sum(self._weights.values()), 1e-6)
        self._scale = max(self._total, _LEAST_WEIGHT)
        self._mean = max(statistics.mean_length, 1.0)
        self._rarest = max(self.wanted, key=lambda term: self._weights[term], default="")
        self._pairs = frozenset(zip(self.wanted, self.wanted[1:], strict=False))
        self._prefixes = {term[:_PREFIX]: term for term in self.wanted if len(term) >= _PREFIX}
        self._matches = {number: self._match(each) for number, each in around.entries.items()}
        self._threads = self._by_thread()

    def evidence(self, entry: Entry) -> float:
        """The share of what the question is about that an entry and the one before it have.

        Unlike in a score, words that nothing in the namespace has count too, and no word counts
        for nothing because everything has it.
        """
        about = [term for term in self.wanted if term in self._topic] or self.wanted
        has = self._have(entry) | self._have(self._around.before(entry))
        weight = {term: max(self._weights[term] or self._unknown, 1.0) for term in about}
        return sum(weight[term] for term in about if term in has) / max(sum(weight.values()), 1e-6)

    def answers_beside(self, entry: Entry) -> bool:
        """Whether somebody else, right before or after, has words of the question.

        Or who says it right before, where it goes on from there: "What is Rex? He's my dog."
        """
        before, after = self._around.before(entry), self._around.after(entry)
        beside = (before, None if after is not None and after.only_asks else after)
        return any(
            each is not None
            and (each.actor != entry.actor or (each is before and entry.replies))
            and bool(self._have(each))
            for each in beside
        )

    def demoted(self, entry: Entry) -> bool:
        """Whether it is a question that nobody was there to answer."""
        return entry.only_asks and not self._around.in_dialogue(entry)

    def rows(self, entries: Sequence[Entry]) -> list[list[float]]:
        """The features of each entry, in the order of NAMES."""
        return [self._row(each) for each in entries]

    # ---- within --------------------------------------------------------------------------------

    def _match(self, entry: Entry) -> _Match:
        counts: dict[str, int] = {}
        length = len(entry.terms)
        has = self._asked.intersection(entry.terms)
        if not has or entry.number in self._unheard:
            return _Match(counts, length, 0.0)
        counts = {term: entry.terms.count(term) for term in has}
        score = self._bm25(counts, length, self._mean)
        return _Match(counts, length, score, self._covered(has), has)

    def _bm25(self, counts: Mapping[str, int], length: int, mean: float) -> float:
        slack = _K1 * (1 - _B + _B * length / mean)
        weights, found = self._weights, 0.0
        for term, count in counts.items():
            found += weights[term] * count / (count + slack)
        return found * (_K1 + 1) / self._scale

    def _together(self, matches: Sequence[_Match], mean: float) -> float:
        counts: dict[str, int] = {}
        for match in matches:
            if match.counts:
                for term, count in match.counts.items():
                    counts[term] = counts.get(term, 0) + count
        if not counts:
            return 0.0
        return self._bm25(counts, sum(each.length for each in matches), mean)

    def _covered(self, has: frozenset[str]) -> float:
        return sum(self._weights[term] for term in has) / self._total if has else 0.0

    def _have(self, entry: Entry | None) -> frozenset[str]:
        return frozenset() if entry is None else self._matches[entry.number].has

    def _score(self, entry: Entry | None) -> float:
        return 0.0 if entry is None else self._matches[entry.number].score

    def _by_thread(self) -> dict[str, tuple[float, float]]:
        """What a thread as a whole covers, and the best cosine in it."""
        has: dict[str, frozenset[str]] = {}
        best: dict[str, float] = {}
        for number, entry in self._around.entries.items():
            own = self._matches[number].has
            if entry.thread and (own or entry.thread not in has):
                has[entry.thread] = has.get(entry.thread, frozenset()) | own
            if self._cosines:
                cosine = self._cosines.get(number, 0.0)
                best[entry.thread] = max(best.get(entry.thread, 0.0), cosine)
        return {each: (self._covered(own), best.get(each, 0.0)) for each, own in has.items()}

    def _row(self, entry: Entry) -> list[float]:
        around = self._around
        before, after = around.before(entry), around.after(entry)
        match = self._matches[entry.number]
        parts = [self._matches[each.number] for each in (before, entry, after) if each is not None]
        pair = parts[:2] if before is not None else parts[:1]
        answered = parts[1:] if before is not None else parts
        turn, behind, ahead = match.score, self._score(before), self._score(after)
        far_behind, far_ahead = around.before(before), around.after(after)
        wide = [self._matches[e.number] for e in (far_behind, far_ahead) if e is not None]
        paired = self._together(pair, 2 * self._mean) if before is not None else turn
        has = match.has | self._have(before)
        pair_covered = self._covered(has)
        most = max(len(self.wanted), 1)
        lexical = [
            turn, behind, ahead, paired,
            self._together(answered, 2 * self._mean) if after is not None else turn,
            self._together([*parts, *wide], 4 * self._mean),
            match.covered, match.covered**2, pair_covered, pair_covered**2,
            float(self._rarest in match.has), len(has) / most,
            self._phrase(entry, match), self._prefix(entry, match),
            self._threads.get(entry.thread, (0.0, 0.0))[0], turn * behind, max(behind, ahead),
        ]  # fmt: skip
        speaker = self._speaker(entry)
        return [
            *lexical,
            *(speaker, speaker * turn, speaker * paired, speaker * behind),
            float(bool(self._named_terms.intersection(entry.terms))),
            *self._manner(entry, before, turn, behind),
            *self._kind_of_answer(entry, turn),
            self._date(entry),
            *self._dense(entry, before, after, turn, speaker),
        ]

    def _manner(
        self, entry: Entry, before: Entry | None, turn: float, behind: float
    ) -> list[float]:
        asks = float(entry.asks)
        answers = float(before is not None and before.asks)
        length = len(entry.terms)
        return [
            asks, asks * turn, float(entry.has_question), answers, answers * behind,
            math.log1p(length), float(length < 5),
            float(bool(entry.thread) and before is None), float(entry.first_person),
        ]  # fmt: skip

    def _kind_of_answer(self, entry: Entry, turn: float) -> list[float]:
        question = self._question
        when = float(question.when and entry.has_time)
        name = (question.thing or question.place) and entry.has_name
        return [
            when,
            when * turn,
            float(question.number and entry.has_number),
            float(question.thing and name),
            float(question.place and name),
        ]

    def _speaker(self, entry: Entry) -> float:
        """1 for a turn of the one whom the question names, -1 for one of somebody else."""
        if len(self.named) != 1 or not entry.actor:
            return 0.0
        return 1.0 if entry.actor in self.named else -1.0

    def _phrase(self, entry: Entry, match: _Match) -> float:
        """Neighbouring terms of the question that are neighbours here too."""
        if len(match.has) < 2:
            return 0.0
        found = self._pairs.intersection(zip(entry.terms, entry.terms[1:], strict=False))
        weights = self._weights
        return sum(weights[one] + weights[other] for one, other in found) / self._total

    def _prefix(self, entry: Entry, match: _Match) -> float:
        """Terms that begin alike and are not the same: what stemming did not bring together."""
        if not self._prefixes:
            return 0.0
        starts = {t[:_PREFIX] for t in entry.terms} & self._prefixes.keys()
        missing = [self._prefixes[each] for each in starts if self._prefixes[each] not in match.has]
        return sum(self._weights[each] or _LEAST_WEIGHT for each in missing) / self._scale

    def _date(self, entry: Entry) -> float:
        """How near the entry is to what the question dates; reports come after what happened."""
        best = 0.0
        for each in self._question.dates:
            start, end = each.start.timestamp(), each.end.timestamp()
            if start <= entry.time < end:
                near = 0.3 if end - start > _LONG_INTERVAL else 1.0
            elif end <= entry.time < end + 10 * _DAY:
                near = 0.6
            elif end <= entry.time < end + 31 * _DAY:
                near = 0.3
            else:
                near = 0.0
            best = max(best, near)
        return best

    def _dense(
        self,
        entry: Entry,
        before: Entry | None,
        after: Entry | None,
        turn: float,
        speaker: float,
    ) -> list[float]:
        cosine = self._cosines.get
        own = cosine(entry.number, 0.0)
        return [
            own,
            cosine(before.number, 0.0) if before is not None else 0.0,
            cosine(after.number, 0.0) if after is not None else 0.0,
            self._threads.get(entry.thread, (0.0, 0.0))[1],
            own * turn,
            own * speaker,
        ]


def _answered(entry: Entry, around: Surroundings) -> bool:
    """Whether an answer to a question may stand beside it."""
    after = around.after(entry)
    return around.in_dialogue(entry) or (after is not None and after.replies)


_SAME = 0.75
"""The share of words in common from which on two questions are one."""


def _is_echo(entry: Entry, question: Question) -> bool:
    asked = set(question.terms)
    if not asked or abs(len(entry.terms) - len(asked)) > len(asked):
        return False
    own = set(entry.terms)
    common = len(own & asked)
    return common >= _SAME * len(own | asked) and entry.kind is Kind.EPISODE and entry.only_asks

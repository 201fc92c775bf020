"""Finding the tools for a task among thousands."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from treadle.core.chat import FunctionSpec
from treadle.core.embedder import Embedder
from treadle.core.errors import InputError, ToolError
from treadle.tools.retrieval.co_use import CoUse
from treadle.tools.retrieval.family import Key, families
from treadle.tools.retrieval.meaning import Meaning
from treadle.tools.retrieval.postings import Postings
from treadle.tools.retrieval.scoring import Scores, Scoring
from treadle.tools.retrieval.spec import ToolSpec, parameter_text, spec_of
from treadle.tools.retrieval.text import MAX_CHARACTERS, clauses, pairs, words
from treadle.tools.retrieval.vocabulary import Vocabulary
from treadle.tools.retrieval.weights import SearchWeights

_DESCRIBED = 10_000  # characters of a name or a description that are read
_SEEDS = 3  # the best tools, which pull in what was used together with them


@dataclass(frozen=True, slots=True)
class FoundTool:
    """A tool that a search found.

    score: higher is better; comparable within one search only.
    spec: its name, description and parameters.
    """

    name: str
    score: float
    spec: FunctionSpec


@dataclass(slots=True)
class _Entry:
    spec: FunctionSpec
    counts: dict[str, float]
    used_for: Counter[str] = field(default_factory=Counter)
    uses: int = 0


class ToolIndex:
    """Tools, found by their names, descriptions, parameters and past use.

    specs: Tools, or function specs `{name, description, parameters}`. A name is any string, and is
        never parsed for a convention; two tools may share one, and both are found.
    weights: how much each kind of evidence counts.
    embedder: adds likeness in meaning; none by default. Its vectors are compared with those of
        every tool, which takes longer than all the rest.

    Lexical scores are BM25F over the fields of a tool and of its siblings, of words, pairs of words
    and words that share 4-grams, for the whole query and for each of its clauses. Not for use from
    several threads at once.

    Raises InputError (`bad_tool_spec`).
    """

    def __init__(
        self,
        specs: Iterable[ToolSpec] = (),
        *,
        weights: SearchWeights | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self._weights = weights or SearchWeights()
        self._entries: dict[int, _Entry] = {}
        self._named: dict[str, list[int]] = {}
        self._numbers = count()
        self._tools: Postings[int] = Postings(self._weights.saturation)
        self._families: Postings[Key] = Postings(self._weights.saturation)
        self._members: dict[Key, tuple[int, ...]] = {}
        self._vocabulary = Vocabulary()
        self._co_use = CoUse()
        self._meaning = Meaning(embedder) if embedder is not None else None
        self._scoring = Scoring(
            self._tools, self._families, self._members, self._vocabulary, self._weights
        )
        self._changed: set[int] = set()  # since the families were last found
        self.add(specs)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._named

    def add(self, specs: Iterable[ToolSpec]) -> None:
        """Add tools. Raises InputError (`bad_tool_spec`), with none of them added."""
        if not isinstance(specs, Iterable):
            raise InputError("bad_tool_spec", "specs is a list of tools or of function specs")
        for spec in [spec_of(each) for each in specs]:
            number = next(self._numbers)
            entry = self._entries[number] = _Entry(spec, {})
            self._named.setdefault(spec.name, []).append(number)
            self._put(number, entry)

    def remove(self, name: str) -> None:
        """Forget every tool `name`. Raises ToolError (`unknown_tool`)."""
        if name not in self._named:
            raise ToolError("unknown_tool", f"there is no tool '{str(name)[:100]}' in the index")
        for number in self._named.pop(name):
            entry = self._entries.pop(number)
            self._vocabulary.remove(_single(entry.counts))
            self._tools.drop(number)
            self._changed.add(number)
            if self._meaning is not None:
                self._meaning.drop(number)
        self._co_use.forget(name)

    def observe(self, plan_tools: Iterable[str], task: str = "") -> None:
        """Learn from a plan that worked: which tools it used together, and for what task.

        Tools that are not in the index are passed over: they may have gone since.
        """
        known = [name for name in dict.fromkeys(plan_tools) if name in self._named]
        self._co_use.observe(known)
        said = dict.fromkeys(words(task[:MAX_CHARACTERS]))
        for number in (number for name in known for number in self._named[name] if said):
            entry = self._entries[number]
            entry.uses += 1
            entry.used_for.update(said.keys())
            self._vocabulary.remove(_single(entry.counts))
            self._put(number, entry)

    def search(self, query: str, k: int = 5) -> list[FoundTool]:
        """The `k` tools that fit `query` best, best first; fewer where fewer fit at all.

        A query without a word that says anything finds nothing. The first 20,000 characters count.
        Raises InputError (`bad_search`) for a query that is no string, or k below 1.
        """
        _check(query, k)
        return self._top(self._scores(query), k)

    def search_steps(self, steps: Sequence[str], k: int = 5) -> list[list[FoundTool]]:
        """For each step of a sketched plan, the `k` tools that fit it best.

        What has been used together with the best tools of the other steps counts as well.
        Raises InputError (`bad_search`), as `search` does.
        """
        for step in steps:
            _check(step, k)
        scored = [self._scores(step) for step in steps]
        best = [max(scores, key=scores.__getitem__, default=None) for scores in scored]
        for place, scores in enumerate(scored):
            others = [each for i, each in enumerate(best) if i != place and each is not None]
            self._pull(scores, dict.fromkeys(others))
        return [self._top(scores, k) for scores in scored]

    def _scores(self, query: str) -> Scores:
        self._refresh()
        query = query[:MAX_CHARACTERS]
        scores = self._scoring.scores(clauses(query))
        if self._meaning is not None and query.strip():
            for number, likeness in self._meaning.alike(query).items():
                scores[number] = scores.get(number, 0.0) + self._weights.meaning * likeness
        if self._co_use:
            self._pull(scores, heapq.nlargest(_SEEDS, scores, key=scores.__getitem__))
        return scores

    def _pull(self, scores: Scores, seeds: Iterable[int]) -> None:
        """Raise what past plans have beside `seeds`, each as far as it fits itself."""
        pulled: Scores = {}
        for seed in seeds:
            for name, likely in self._co_use.beside(self._entries[seed].spec.name).items():
                value = self._weights.together * likely * scores.get(seed, 1.0)
                for number in self._named.get(name, ()):
                    pulled[number] = max(pulled.get(number, 0.0), value)
        for number, value in pulled.items():
            scores[number] = scores.get(number, 0.0) + value

    def _top(self, scores: Scores, k: int) -> list[FoundTool]:
        if not scores:
            return []
        least = heapq.nlargest(k, scores.values())[-1]
        # Equal scores stand in the order in which the tools were added.
        best = sorted(
            (item for item in scores.items() if item[1] >= least),
            key=lambda item: (-item[1], item[0]),
        )[:k]
        return [
            FoundTool(spec.name, score, spec)
            for number, score in best
            for spec in (self._entries[number].spec,)
        ]

    def _put(self, number: int, entry: _Entry) -> None:
        entry.counts = _counts(entry, self._weights)
        self._tools.put(number, entry.counts)
        self._vocabulary.add(_single(entry.counts))
        self._changed.add(number)
        if self._meaning is not None:
            self._meaning.put(number, f"{entry.spec.name}: {entry.spec.description}")

    def _refresh(self) -> None:
        """Find the families anew, and index those whose members changed."""
        if not self._changed:
            return
        specs = [entry.spec for entry in self._entries.values()]
        keys = families([each.name for each in specs], [each.description for each in specs])
        members: dict[Key, list[int]] = {}
        for number, key in zip(self._entries, keys, strict=True):
            members.setdefault(key or (str(number), ""), []).append(number)
        for key in [key for key in self._members if key not in members]:
            del self._members[key]
            self._families.drop(key)
        for key, numbers in members.items():
            now = tuple(numbers)
            if self._members.get(key) != now or not self._changed.isdisjoint(now):
                self._members[key] = now
                self._families.put(key, self._together(now))
        self._changed.clear()

    def _together(self, numbers: Sequence[int]) -> dict[str, float]:
        """The words of siblings; by the root of how many they are, between a sum and a mean."""
        total: dict[str, float] = {}
        share = len(numbers) ** -0.5
        for number in numbers:
            for term, weight in self._entries[number].counts.items():
                total[term] = total.get(term, 0.0) + weight * share
        return total


def _counts(entry: _Entry, weights: SearchWeights) -> dict[str, float]:
    """Weighted term counts over the fields, each by its length (BM25F)."""
    spec = entry.spec
    fields = (
        (spec.name, weights.name, 4),
        (spec.description, weights.description, 15),
        (parameter_text(spec.parameters), weights.parameters, 15),
    )
    counts: dict[str, float] = {}
    for text, weight, usual in fields:
        found = words(text[:_DESCRIBED])
        # By a usual length and not the average one: adding a tool then leaves the others alone.
        share = weight / (1 - weights.length + weights.length * len(found) / usual)
        for term in (*found, *pairs(found)):
            counts[term] = counts.get(term, 0.0) + share
    for word, times in entry.used_for.items():
        # Once may have been about another tool of the same task.
        if times > 1:
            counts[word] = counts.get(word, 0.0) + weights.use * (times - 1) / entry.uses
    return counts


def _single(counts: Iterable[str]) -> Iterable[str]:
    return (term for term in counts if " " not in term)


def _check(query: str, k: int) -> None:
    if not isinstance(query, str):
        raise InputError("bad_search", f"a query is a string, not {type(query).__name__}")
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise InputError("bad_search", f"k={k!r}: ask for at least 1 tool")

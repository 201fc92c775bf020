"""How well the tools for a task are found, beside plain BM25: both in one run, with latency.

    python benchmarks/tool_retrieval.py [--queries tool_queries.json.gz] [--seed 4] [--folds 5]

recall@5: the share of the tools that a query needs among the first five. all@5: of queries that
have them all there. The line "held out" is cross-validation: the weights are chosen, out of a few
sets, on the other folds. "after use" has seen the plans and tasks of the other folds. Without
--queries a collection is generated, and each naming style is tried on it.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tool_collections import (  # beside this script
    STYLES,
    Collection,
    Query,
    generate_collection,
    read_collection,
    specs_of,
)

from treadle.core.chat import FunctionSpec
from treadle.tools import ToolIndex
from treadle.tools.retrieval import SearchWeights
from treadle.tools.retrieval.spec import parameter_text
from treadle.tools.retrieval.text import words

K = 5
Search: TypeAlias = Callable[[str], list[int]]
WEIGHTS = (
    SearchWeights(),
    SearchWeights(name=3, saturation=1.2, length=0.75, pair=0.5, similar=0.5, clause=1),
    SearchWeights(family=0.3, clause=1),
    SearchWeights(family=0.8, clause=0.5),
    SearchWeights(parameters=0.5, pair=0.6),
    SearchWeights(name=2, similar=0.4),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one query."""

    group: str
    recall: float
    seconds: float


class PlainBM25:
    """One document a tool, all its fields run together; words as in the index, stems included."""

    def __init__(self, specs: Sequence[dict[str, object]], k1: float = 1.5, b: float = 0.75):
        texts = [
            f"{spec['name']} {spec['description']} {parameter_text(spec['parameters'])}"  # type: ignore[arg-type]
            for spec in specs
        ]
        documents = [words(text) for text in texts]
        usual = sum(map(len, documents)) / len(documents)
        self._count = len(documents)
        self._holders: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, document in enumerate(documents):
            norm = k1 * (1 - b + b * len(document) / usual)
            for word, n in Counter(document).items():
                self._holders[word].append((number, n * (k1 + 1) / (n + norm)))

    def __call__(self, query: str) -> list[int]:
        scores: defaultdict[int, float] = defaultdict(float)
        for word in words(query):
            holders = self._holders.get(word, ())
            rarity = math.log(1 + (self._count - len(holders) + 0.5) / (len(holders) + 0.5))
            for number, weight in holders:
                scores[number] += rarity * weight
        return sorted(scores, key=lambda number: -scores[number])[:K]


def numbered(specs: Sequence[dict[str, object]]) -> list[FunctionSpec]:
    """The specs as objects: names may repeat, an object is itself."""
    return [FunctionSpec(**spec) for spec in specs]  # type: ignore[arg-type]


def searching(index: ToolIndex, specs: Sequence[FunctionSpec]) -> Search:
    """The numbers of what `index` finds."""
    numbers = {id(spec): number for number, spec in enumerate(specs)}
    return lambda query: [numbers[id(each.spec)] for each in index.search(query, K)]


def measured(search: Search, queries: Sequence[Query]) -> list[Outcome]:
    """The outcome of each query."""
    found: list[Outcome] = []
    for query in queries:
        began = time.perf_counter()
        top = search(query.text)
        seconds = time.perf_counter() - began
        recall = len(query.wanted & set(top)) / len(query.wanted)
        found.append(Outcome(query.group, recall, seconds))
    return found


def line(title: str, outcomes: Sequence[Outcome]) -> None:
    """Print one row."""
    cells = [f"{title:34}"]
    for group in ("", "G1", "G2", "G3"):
        some = [each.recall for each in outcomes if each.group.startswith(group)]
        whole = sum(recall == 1 for recall in some) / len(some)
        cells.append(f"{statistics.mean(some):6.3f} /{whole:6.3f}  ")
    times = sorted(each.seconds * 1000 for each in outcomes)
    cells.append(f"{statistics.median(times):6.2f} {times[int(len(times) * 0.95)]:6.2f}")
    print("".join(cells), flush=True)


def held_out(specs: Sequence[FunctionSpec], queries: Sequence[Query], folds: int) -> list[Outcome]:
    """Cross-validation: for each fold the weights that do best on the others."""
    runs = [measured(searching(ToolIndex(specs, weights=each), specs), queries) for each in WEIGHTS]

    def score(run: Sequence[Outcome], fold: int) -> float:
        return sum(
            each.recall + (each.recall == 1) for i, each in enumerate(run) if i % folds != fold
        )

    best = [max(runs, key=lambda run: score(run, fold)) for fold in range(folds)]
    return [best[i % folds][i] for i in range(len(queries))]


def after_use(specs: Sequence[FunctionSpec], queries: Sequence[Query], folds: int) -> list[Outcome]:
    """Each fold after the plans of the others were observed."""
    found: list[Outcome] = []
    for fold in range(folds):
        index = ToolIndex(specs)
        for i, query in enumerate(queries):
            if i % folds != fold:
                index.observe([specs[number].name for number in query.wanted], query.text)
        found += measured(
            searching(index, specs), [query for i, query in enumerate(queries) if i % folds == fold]
        )
    return found


def compare(title: str, collection: Collection, style: str, **without: bool) -> None:
    """Two rows: plain BM25 and ours."""
    documents = specs_of(collection.calls, style, **without)
    specs = numbered(documents)
    line(f"{title}, BM25", measured(PlainBM25(documents), collection.queries))
    line(f"{title}, ours", measured(searching(ToolIndex(specs), specs), collection.queries))


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--queries", type=Path, help="StableToolBench's; generated without")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    read = options.queries is not None
    found = read_collection(options.queries) if read else generate_collection(options.seed)
    asked = list(found.queries)
    random.Random(options.seed).shuffle(asked)
    collection = Collection(found.calls, tuple(asked))
    documents = specs_of(collection.calls, "Api: call")
    specs = numbered(documents)
    began = time.perf_counter()
    index = ToolIndex(specs)
    index.search("weather")
    built = time.perf_counter() - began
    print(
        f"{len(asked)} {'queries of StableToolBench' if read else 'generated queries'}, "
        f"{len(specs)} tools, seed {options.seed}; index built in {built:.2f} s"
    )
    heads = "".join(f"{each:16}" for each in ("all", "G1", "G2", "G3"))
    print(f"{'recall@5 / all@5':34}{heads}p50 ms p95 ms")
    line("plain BM25", measured(PlainBM25(documents), asked))
    line("ours", measured(searching(index, specs), asked))
    line(f"ours, held out ({options.folds} folds)", held_out(specs, asked, options.folds))
    line("ours, after use (other folds)", after_use(specs, asked, options.folds))
    for style in STYLES:
        compare(style, collection, style)
    compare("without descriptions", collection, "Api: call", descriptions=False)
    compare("without parameters", collection, "Api: call", parameters=False)


if __name__ == "__main__":
    main()

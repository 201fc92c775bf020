"""Which of the turns that answer a question are found: ours, LangGraph's stores, mem0."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.memory import langgraph_peer, mem0_peer
from benchmarks.memory.isolated import alone
from benchmarks.memory.options import Options
from benchmarks.memory.table import NotAvailable, Row, Table, reached
from benchmarks.memory.talks import write_talks
from benchmarks.memory.vectors import prepare

from treadle.core.json_value import JsonValue
from treadle.memory.locomo import Conversation, Ranking, Scores, read_locomo, run_locomo, scores

COLUMNS = ("@5", "@10", "@20", "mrr", "all in 10", "seconds")
_TARGETS = {"local": 0.72, "none": 0.70}
_MULTI_HOP_TARGET = 0.30
_MADE = 3
"""Conversations that are made up where no file is given."""

_MEM0 = "by vectors alone: its keyword search takes a model from the network (fastembed)"
_GRAPHITI = "does not run offline: every episode it adds is read by a language model"


def recall(options: Options) -> Table:
    """Fill the table, row by row."""
    with tempfile.TemporaryDirectory(prefix="bench-recall-", dir=options.folder) as name:
        folder = Path(name)
        path = options.locomo
        if path is None:
            path = folder / "talks.json"
            write_talks(path, _MADE, options.seed)
        talks = read_locomo(path)
        places = options.conversations or tuple(range(len(talks)))
        talks = tuple(talks[each] for each in places)
        asked = sum(len(talk.questions) for talk in talks)
        said = sum(len(talk.turns) for talk in talks)
        source = "LoCoMo's file" if options.locomo else f"made up, seed {options.seed}"
        table = Table(
            f"recall of evidence: {asked} questions on {said} turns of {len(talks)} conversations"
            f" ({source}); seconds with embedding for ours, without for others",
            COLUMNS,
        )
        table.begin()
        for embedder in ("none", "local"):
            _add(
                table,
                f"ours, embedder {embedder}",
                partial(_ours, path, places, embedder, options.locomo is not None),
            )
        vectors = _vectors(talks)
        for kind in langgraph_peer.KINDS:
            own = _within(folder, kind)
            _add(
                table,
                f"LangGraph {kind}, MiniLM cosine",
                partial(_theirs, talks, partial(_langgraph, kind, vectors, talks, own)),
            )
        own = _within(folder, "mem0")
        _add(
            table,
            f"{mem0_peer.REQUIREMENT}, MiniLM, infer=False",
            partial(_theirs, talks, partial(mem0_peer.ranked, vectors, talks, own)),
        )
        table.add(Row("  (mem0)", note=_MEM0))
        table.add(Row("Graphiti", note=_GRAPHITI))
    return table


def _ours(path: Path, places: Sequence[int], embedder: str, aimed: bool) -> Row:
    start = time.perf_counter()
    found = alone(_run, path, places, embedder)
    recalled = found["recall"]
    assert isinstance(recalled, dict)
    figures = [recalled["5"], recalled["10"], recalled["20"], found["mrr"]]
    hops = found["all_at_10_multihop"]
    at_10 = recalled["10"]
    assert isinstance(at_10, float)
    note = ""
    if aimed:  # the targets are for LoCoMo's questions
        note = f"@10 {reached(at_10, _TARGETS[embedder])}"
    if aimed and isinstance(hops, float):
        note += f", all in 10 {reached(hops, _MULTI_HOP_TARGET)}"
    return Row("", _figures(figures, hops, time.perf_counter() - start), note)


def _run(path: Path, places: Sequence[int], embedder: str) -> dict[str, JsonValue]:
    return asyncio.run(run_locomo(path, places, embedder))


def _langgraph(
    kind: str, vectors: Path, talks: Sequence[Conversation], folder: Path
) -> list[list[str]]:
    return alone(langgraph_peer.ranked, kind, vectors, talks, folder)


def _theirs(talks: Sequence[Conversation], search: Callable[[], list[list[str]]]) -> Row:
    start = time.perf_counter()
    found = search()
    seconds = time.perf_counter() - start
    asked = [question for talk in talks for question in talk.questions]
    rankings = [Ranking(one, tuple(ids)) for one, ids in zip(asked, found, strict=True)]
    all_of = scores(rankings)
    hops = _of_hops(rankings)
    figures = [*all_of.recall.values(), all_of.mrr]
    return Row("", _figures(figures, hops.all_at_10 if hops.questions else None, seconds))


def _of_hops(rankings: Sequence[Ranking]) -> Scores:
    return scores([each for each in rankings if each.question.category == "multi_hop"])


def _figures(shares: Sequence[object], hops: object, seconds: float) -> tuple[str, ...]:
    shown = ["-" if each is None else f"{each:.3f}" for each in (*shares, hops)]
    return (*shown, f"{seconds:.0f}")


def _add(table: Table, name: str, measure: Callable[[], Row]) -> None:
    try:
        row = measure()
        table.add(Row(name, row.figures, row.note))
    except NotAvailable as error:
        table.add(Row(name, note=f"not available: {error}"))


def _vectors(talks: Sequence[Conversation]) -> Path:
    """The vectors of all that peers embed; made once, they take a minute or two."""
    texts = [f"{turn.speaker}: {turn.content}" for talk in talks for turn in talk.turns]
    texts += [question.text for talk in talks for question in talk.questions]
    digest = hashlib.blake2b("\0".join(texts).encode(), digest_size=8).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "treadle"
    path = cache / f"bench-vectors-{digest}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        prepare(texts, path)
    return path


def _within(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made

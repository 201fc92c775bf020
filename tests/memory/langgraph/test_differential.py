"""The same operations on LangGraph's own in-memory parts and on ours give the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.base import (
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore
from tests.memory.langgraph.conftest import at

from treadle.memory.langgraph import TreadleCheckpointer, TreadleStore

ours = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# ---- checkpoints -------------------------------------------------------------------------------

THREADS = ("t",)
SPACES = ("", "child")
CHANNELS = ("a", "b", "c")
SPECIAL = ("__error__", "__interrupt__", "__resume__", "__scheduled__")

values = st.one_of(
    st.none(), st.integers(-5, 5), st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.lists(st.integers(0, 9), max_size=3), st.binary(max_size=8),
)  # fmt: skip
puts = st.tuples(
    st.just("put"),
    st.sampled_from(THREADS),
    st.sampled_from(SPACES),
    st.integers(0, 3),  # of its id
    st.one_of(st.none(), st.integers(0, 3)),  # of its parent
    st.dictionaries(st.sampled_from(CHANNELS), values),
    st.dictionaries(st.sampled_from(CHANNELS), st.integers(1, 3)),  # versions
    st.sets(st.sampled_from(CHANNELS)),  # which of them are new
    st.sampled_from(("input", "loop")),
)
writes = st.tuples(
    st.just("writes"),
    st.sampled_from(THREADS),
    st.sampled_from(SPACES),
    st.integers(0, 3),
    st.lists(st.tuples(st.sampled_from(CHANNELS + SPECIAL), values), max_size=4),
    st.sampled_from(("task1", "task2")),
    st.sampled_from(("", "p1", "p2")),
)
deletions = st.tuples(st.just("delete"), st.sampled_from(THREADS))


def carry_out(saver: Any, operation: tuple[Any, ...]) -> None:
    match operation:
        case ("put", thread, space, number, parent, held, versions, new, source):
            checkpoint = empty_checkpoint()
            checkpoint["id"] = f"id{number}"
            checkpoint["ts"] = "2026-01-01"
            checkpoint["channel_values"] = dict(held)
            checkpoint["channel_versions"] = dict(versions)
            config = at(thread, None if parent is None else f"id{parent}", space)
            saver.put(config, checkpoint, {"source": source, "step": number},
                      {name: versions[name] for name in sorted(new) if name in versions})  # fmt: skip
        case ("writes", thread, space, number, written, task, path):
            saver.put_writes(at(thread, f"id{number}", space), written, task, path)
        case ("delete", thread):
            saver.delete_thread(thread)


def seen(found: CheckpointTuple | None) -> Any:
    return None if found is None else found._asdict()


def questions(saver: Any) -> Iterator[Any]:
    for thread in THREADS:
        for space in SPACES:
            yield seen(saver.get_tuple(at(thread, None, space)))
            yield seen(saver.get_tuple(at(thread, "id1", space)))
            for asked in (
                {},
                {"filter": {"source": "input"}},
                {"filter": {"step": 1, "source": "loop"}, "limit": 2},
                {"before": at(thread, "id2", space), "limit": 3},
                {"filter": {"missing": None}},
            ):
                found = saver.list(at(thread, None, space), **asked)
                yield [seen(each) for each in found]
            yield saver.get_delta_channel_history(
                config=at(thread, None, space), channels=list(CHANNELS)
            )
    yield sorted(str(seen(each)) for each in saver.list(None))


def has_ring(operations: list[tuple[Any, ...]]) -> bool:
    """Whether a chain of parents is a ring: LangGraph's own saver walks in it for ever."""
    parents: dict[tuple[str, str, int], int | None] = {}
    for each in operations:
        if each[0] == "put":
            parents[each[1], each[2], each[3]] = each[4]
        elif each[0] == "delete":
            parents = {key: value for key, value in parents.items() if key[0] != each[1]}
    for thread, space, number in parents:
        passed: set[int] = set()
        here: int | None = number
        while here is not None:
            if here in passed:
                return True
            passed.add(here)
            here = parents.get((thread, space, here))
    return False


@settings(ours, max_examples=12)
@given(st.lists(st.one_of(puts, puts, writes, writes, deletions), max_size=12))
def test_checkpointers_agree(saver: TreadleCheckpointer, operations: list[Any]) -> None:
    if has_ring(operations):
        return
    reference = InMemorySaver()
    for thread in THREADS:
        saver.delete_thread(thread)
    for operation in operations:
        carry_out(reference, operation)
        carry_out(saver, operation)
    for theirs, own in zip(questions(reference), questions(saver), strict=True):
        assert own == theirs


# ---- items -------------------------------------------------------------------------------------

labels = st.sampled_from(("a", "b", "ab", "a-b", "ü", "*", "%", "_"))
namespaces = st.lists(labels, min_size=1, max_size=3).map(tuple)
keys = st.sampled_from(("k1", "k2", "K1", "k.3", "", "%"))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(-3, 3, allow_nan=False),
    st.sampled_from(("", "x", "y", "\0", "\ud800", "2")),
)  # fmt: skip
fields = st.sampled_from(("f", "g", "$odd", "a.b"))
objects = st.dictionaries(
    fields,
    st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=2), st.dictionaries(fields, inner, max_size=2)
        ),
        max_leaves=4,
    ),
    max_size=3,
)
numbers = st.one_of(st.integers(-3, 3), st.floats(-3, 3, allow_nan=False))
filters = st.one_of(
    st.none(),
    st.dictionaries(
        st.sampled_from(("f", "g")),
        st.one_of(
            scalars,
            st.lists(scalars, max_size=2),
            st.dictionaries(st.sampled_from(("f", "g")), scalars, max_size=2),
            st.dictionaries(st.sampled_from(("$eq", "$ne")), scalars, min_size=1),
        ),
        max_size=2,
    ),
)
comparisons = st.dictionaries(
    st.just("number"),
    st.dictionaries(st.sampled_from(("$gt", "$gte", "$lt", "$lte", "$ne")), numbers, min_size=1),
)
item_puts = st.builds(
    lambda namespace, key, value, number: PutOp(namespace, key, {**value, "number": number}),
    namespaces, keys, objects, numbers,
)  # fmt: skip
removals = st.builds(PutOp, namespaces, keys, st.none())
gets = st.builds(GetOp, namespaces, keys)
searches = st.builds(
    lambda prefix, wanted, query: SearchOp(prefix, wanted, 1_000, 0, query),
    st.lists(labels, max_size=2).map(tuple), st.one_of(filters, comparisons),
    st.one_of(st.none(), st.just("ignored without an index")),
)  # fmt: skip
few = st.sampled_from(("a", "b", "*"))
conditions = st.builds(
    MatchCondition, st.sampled_from(("prefix", "suffix")), st.lists(few, max_size=2).map(tuple)
)
listings = st.builds(
    ListNamespacesOp,
    st.lists(conditions, max_size=2).map(tuple),
    st.one_of(st.none(), st.integers(0, 3)),
    st.integers(0, 5),
    st.integers(0, 3),
)
batches = st.lists(
    st.lists(st.one_of(item_puts, item_puts, removals, gets, searches), max_size=6), max_size=6
)


def said(results: list[Any]) -> list[Any]:
    return [_plain(each) for each in results]


def _plain(result: Any) -> Any:
    if isinstance(result, Item):
        return result.namespace, result.key, result.value
    if isinstance(result, list):
        # In memory they stand in the order of their first put, here the last put comes first.
        return sorted(map(_plain, result), key=str)
    return result


@ours
@given(batches)
def test_stores_agree(items: TreadleStore, operations: list[list[Op]]) -> None:
    reference = InMemoryStore()
    clear(items)
    for batch in operations:
        assert said(items.batch(batch)) == said(reference.batch(batch))


@ours
@given(
    st.lists(st.lists(few, min_size=1, max_size=3).map(tuple), max_size=8),
    st.lists(listings, min_size=4, max_size=8),
)
def test_stores_agree_on_namespaces(
    items: TreadleStore, named: list[tuple[str, ...]], asked: list[ListNamespacesOp]
) -> None:
    reference = InMemoryStore()
    clear(items)
    for each in (reference, items):
        each.batch([PutOp(namespace, "k", {}) for namespace in named])
    for listing in asked:
        theirs, own = reference.batch([listing]), items.batch([listing])
        assert own == theirs


def clear(items: TreadleStore) -> None:
    (found,) = items.batch([SearchOp((), None, 10**6)])
    assert isinstance(found, list)
    items.batch([PutOp(each.namespace, each.key, None) for each in found])  # type: ignore[union-attr]


VECTORS = {f"text {number}": [number % 3 - 1.0, number % 5 - 2.0, 1.0] for number in range(15)}


def embed(texts: Any) -> list[list[float]]:
    return [VECTORS[text] for text in texts]


@ours
@given(
    st.lists(
        st.tuples(namespaces, keys, st.lists(st.sampled_from(sorted(VECTORS)), max_size=2,
                                             unique=True)),
        max_size=8, unique_by=lambda each: each[:2],
    ),
    st.sampled_from(sorted(VECTORS)), st.integers(1, 4),
)  # fmt: skip
def test_stores_agree_on_what_is_near(
    near: TreadleStore, put: list[Any], query: str, limit: int
) -> None:
    # Each text in one item only: LangGraph's own store in memory stumbles over others.
    taken: set[str] = set()
    reference = InMemoryStore(index={"dims": 3, "embed": embed, "fields": ["texts[*]"]})
    clear(near)
    for namespace, key, texts in put:
        fresh = [text for text in texts if text not in taken]
        taken.update(fresh)
        for each in (reference, near):
            each.put(namespace, key, {"texts": fresh})
    asked = SearchOp((), None, limit, 0, query)
    theirs, own = reference.batch([asked])[0], near.batch([asked])[0]
    assert [_score(each) for each in own] == pytest.approx([_score(each) for each in theirs])  # type: ignore[union-attr]


def _score(item: Any) -> float:
    return -9.0 if item.score is None else item.score


@pytest.fixture
def near(tmp_path: Path) -> Iterator[TreadleStore]:
    with TreadleStore(
        f"sqlite:///{tmp_path}/near.db",
        index={"dims": 3, "embed": embed, "fields": ["texts[*]"]},
    ) as opened:
        yield opened

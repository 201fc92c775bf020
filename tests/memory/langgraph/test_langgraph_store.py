"""What the store promises: LangGraph's contract, tenants, ends of items, bad input."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from tests.memory.langgraph.conftest import SECONDS

from treadle.core.errors import InputError, TreadleError
from treadle.memory.langgraph import TreadleStore
from treadle.memory.langgraph import vectors as vectors_module
from treadle.testing import FakeClock


def code(call: Any) -> str:
    with pytest.raises(TreadleError) as caught:
        call()
    return caught.value.code


def keys(found: Any) -> list[str]:
    return [each.key for each in found]


# ---- items -------------------------------------------------------------------------------------


def test_an_item_keeps_when_it_was_created(items: TreadleStore, clock: FakeClock) -> None:
    items.put(("users",), "ann", {"likes": "tea"})
    clock.advance(60)
    items.put(("users",), "ann", {"likes": "ink", "nested": {"deep": [1, None, "\0\ud800ü"]}})
    found = items.get(("users",), "ann")
    assert found is not None
    assert found.value == {"likes": "ink", "nested": {"deep": [1, None, "\0\ud800ü"]}}
    assert (found.updated_at - found.created_at).total_seconds() == 60
    assert found.created_at.timestamp() == clock.now() - 60
    assert found.namespace == ("users",)
    items.delete(("users",), "ann")
    items.delete(("users",), "ann")
    assert items.get(("users",), "ann") is None


def test_what_was_put_last_is_found_first_and_in_pages(
    items: TreadleStore, clock: FakeClock
) -> None:
    for number in range(20):
        items.put(("n",), f"k{number:02}", {"odd": number % 2 == 1, "number": number})
        clock.advance(1)
    items.put(("n",), "k00", {"odd": False, "number": 0})
    assert keys(items.search(("n",), limit=3)) == ["k00", "k19", "k18"]
    assert keys(items.search(("n",), filter={"odd": True}, limit=2, offset=1)) == ["k17", "k15"]
    assert keys(items.search(("n",), filter={"number": {"$gte": 18}})) == ["k19", "k18"]
    assert keys(items.search(("n",), filter={"number": {"$gt": 3, "$lt": 5}})) == ["k04"]
    pages = [keys(items.search(("n",), limit=6, offset=start)) for start in range(0, 24, 6)]
    assert sorted(each for page in pages for each in page) == [
        f"k{number:02}" for number in range(20)
    ]
    assert len(items.search(("n",), limit=10**40)) == 20
    assert items.search(("n",), offset=10**40) == items.search(("n",), limit=0) == []


def test_texts_have_an_order_and_what_is_missing_has_none(items: TreadleStore) -> None:
    for day in ("2026-01-31", "2026-02-01"):
        items.put(("days",), day, {"day": day})
    items.put(("days",), "none", {})
    assert keys(items.search(("days",), filter={"day": {"$gt": "2026-01-31"}})) == ["2026-02-01"]
    assert keys(items.search(("days",), filter={"day": {"$gt": 0}})) == []
    assert keys(items.search(("days",), filter={"day": None})) == ["none"]


def test_a_prefix_ends_with_a_label(items: TreadleStore) -> None:
    for namespace in [("foo",), ("foo", "bar"), ("foobar",), ("FOO",), ("f%o",), ("foo-bar",)]:
        items.put(namespace, "k", {"at": list(namespace)})
    assert {each.namespace for each in items.search(("foo",))} == {("foo",), ("foo", "bar")}
    assert {each.namespace for each in items.search(("f%o",))} == {("f%o",)}
    assert len(items.search(())) == 6
    assert items.list_namespaces(prefix=("foo",)) == [("foo",), ("foo", "bar")]
    assert items.list_namespaces(suffix=("bar",)) == [("foo", "bar")]
    assert items.list_namespaces(prefix=("*", "bar")) == [("foo", "bar")]
    assert items.list_namespaces(max_depth=1, limit=2, offset=1) == [("f%o",), ("foo",)]


def test_in_a_batch_reading_comes_first_and_the_last_put_counts(items: TreadleStore) -> None:
    items.put(("a",), "k", {"n": 0})
    condition = MatchCondition("prefix", ("a",))
    results = items.batch(
        [
            PutOp(("a",), "k", {"n": 1}),
            GetOp(("a",), "k"),
            PutOp(("a", "b"), "k", {"n": 2}),
            PutOp(("a",), "k", {"n": 3}),
            SearchOp(("a",)),
            ListNamespacesOp((condition,)),
            PutOp(("a", "c"), "k", {"n": 4}),
            PutOp(("a", "c"), "k", None),
        ]
    )
    assert results[1].value == {"n": 0}  # type: ignore[union-attr]
    assert [each.value for each in results[4]] == [{"n": 0}]  # type: ignore[union-attr]
    assert results[5] == [("a",)]
    assert [results[place] for place in (0, 2, 3, 6, 7)] == [None] * 5
    found = {each.namespace: each.value for each in items.search(("a",))}
    assert found == {("a",): {"n": 3}, ("a", "b"): {"n": 2}}


def test_a_batch_is_carried_out_whole_or_not_at_all(items: TreadleStore) -> None:
    bad = PutOp(("a",), "bad\0", {})
    assert code(lambda: items.batch([PutOp(("a",), "good", {}), bad])) == "bad_key"
    assert items.search(()) == []


async def test_all_of_it_is_async_too(items: TreadleStore) -> None:
    await items.aput(("a",), "k", {"n": 1}, ttl=5)
    assert (await items.aget(("a",), "k")).value == {"n": 1}  # type: ignore[union-attr]
    assert items.get(("a",), "k") is not None
    assert keys(await items.asearch(("a",), filter={"n": 1})) == ["k"]
    assert await items.alist_namespaces() == [("a",)]
    await asyncio.gather(*(items.aput(("many",), f"k{n}", {"n": n}) for n in range(50)))
    assert len(await items.asearch(("many",), limit=100)) == 50
    await items.adelete(("a",), "k")
    assert await items.aget(("a",), "k") is None
    with pytest.raises(InvalidNamespaceError):
        await items.aput(("a.b",), "k", {})


def test_no_tenant_sees_anothers_items(database_url: str) -> None:
    index: Any = {"dims": 1, "embed": lambda texts: [[1.0] for _ in texts]}
    with (
        TreadleStore(database_url, tenant="one", index=index) as one,
        TreadleStore(database_url, tenant="two", index=index) as two,
    ):
        one.put(("a",), "k", {"of": "one"}, ttl=0)
        assert two.get(("a",), "k") is None
        assert two.search(()) == two.search((), query="of") == two.list_namespaces() == []
        two.delete(("a",), "k")
        assert two.sweep_ttl() == 0
        two.put(("a",), "k", {"of": "two"})
        assert one.get(("a",), "k").value == {"of": "one"}  # type: ignore[union-attr]
        assert [each.value for each in one.search((), query="of")] == [{"of": "one"}]


# ---- bad input ---------------------------------------------------------------------------------


BAD_NAMESPACES: tuple[Any, ...] = (
    (), ("a.b",), ("",), ("a", ""), ("a\0",), ("\ud800",), ("langgraph", "x"), (1,),
)  # fmt: skip


def test_bad_namespaces_are_refused_as_langgraph_does(items: TreadleStore) -> None:
    for namespace in BAD_NAMESPACES:
        with pytest.raises(InvalidNamespaceError) as caught:
            items.put(namespace, "k", {})
        assert isinstance(caught.value, InputError)
        assert caught.value.code == "bad_namespace"
    assert items.list_namespaces() == []


def test_bad_namespaces_are_refused_in_batches(items: TreadleStore) -> None:
    for namespace in (("a.b",), ("",), ("a\0",), ("\ud800",)):
        for operation in (
            PutOp(namespace, "k", {}),
            GetOp(namespace, "k"),
            SearchOp(namespace),
            ListNamespacesOp((MatchCondition("prefix", namespace),)),
            PutOp((), "k", {}),
        ):
            assert code(lambda operation=operation: items.batch([operation])) == "bad_namespace"


CYCLE: dict[str, Any] = {}
CYCLE["self"] = CYCLE
DEEP: dict[str, Any] = {}
for _ in range(100_000):
    DEEP = {"d": DEEP}


BAD_INPUT: tuple[tuple[Any, str], ...] = (
    (lambda store: store.put(("a",), "k\0", {}), "bad_key"),
    (lambda store: store.get(("a",), "\udfff"), "bad_key"),
    (lambda store: store.put(("a",), "k" * 10_000, {}), "bad_key"),
    (lambda store: store.put(("a",), "k", {"x": float("nan")}), "bad_value"),
    (lambda store: store.put(("a",), "k", {"x": {1: 2}}), "bad_value"),
    (lambda store: store.put(("a",), "k", {"x": object()}), "bad_value"),
    (lambda store: store.put(("a",), "k", CYCLE), "bad_value"),
    (lambda store: store.put(("a",), "k", DEEP), "bad_value"),
    (lambda store: store.put(("a",), "k", ["x"]), "bad_value"),
    (lambda store: store.put(("a",), "k", {"x": 10**5_000}), "bad_value"),
    (lambda store: store.put(("a",), "k", {}, ttl=float("inf")), "bad_ttl"),
    (lambda store: store.put(("a",), "k", {}, ttl=-1), "bad_ttl"),
    (lambda store: store.search((), limit=-1), "bad_limit"),
    (lambda store: store.search((), offset="1"), "bad_limit"),
    (lambda store: store.list_namespaces(max_depth=-1), "bad_limit"),
    (lambda store: store.search((), filter={"x": {"$in": [1]}}), "bad_filter"),
    (lambda store: store.search((), filter=["x"]), "bad_filter"),
    (lambda store: store.batch(["put"]), "bad_operation"),
    (lambda store: store.start_ttl_sweeper(-1), "bad_ttl"),
)


def test_bad_input_is_refused_with_a_code(items: TreadleStore) -> None:
    for call, expected in BAD_INPUT:
        assert code(lambda call=call: call(items)) == expected
    assert items.search(()) == []


def test_ten_megabytes_come_back(items: TreadleStore) -> None:
    big = "ü" * 5_000_000
    items.put(("a",), "k", {"big": big})
    assert items.get(("a",), "k").value == {"big": big}  # type: ignore[union-attr]
    assert keys(items.search(("a",), filter={"big": {"$ne": "x"}})) == ["k"]


def test_text_is_text(items: TreadleStore) -> None:
    for text in ("'; drop table store_item; --", "a%", "*", 'x"', "\\", "日本"):
        items.put((text,), text, {text: text})
        items.put(("other",), "k", {text: "no"})
        assert items.get((text,), text).value == {text: text}  # type: ignore[union-attr]
        assert keys(items.search((), filter={text: text})) == [text]
        if text != "*":
            assert items.list_namespaces(prefix=(text,)) == [(text,)]


# ---- items with an end -------------------------------------------------------------------------


def test_items_go_when_their_time_is_over(items: TreadleStore, clock: FakeClock) -> None:
    items.put(("a",), "short", {}, ttl=1)
    items.put(("a",), "long", {}, ttl=10)
    items.put(("a",), "ever", {})
    clock.advance(61)
    assert items.sweep_ttl() == 1
    assert set(keys(items.search(("a",)))) == {"long", "ever"}
    assert items.sweep_ttl() == 0


def test_reading_lets_the_time_begin_anew(items: TreadleStore, clock: FakeClock) -> None:
    for name in ("got", "found", "left", "looked at"):
        items.put((name,), "k", {}, ttl=1)
    clock.advance(40)
    items.get(("got",), "k")
    items.search(("found",))
    items.get(("looked at",), "k", refresh_ttl=False)
    items.search(("looked at",), refresh_ttl=False)
    clock.advance(40)
    assert items.sweep_ttl() == 2
    assert items.list_namespaces() == [("found",), ("got",)]


def test_the_ttl_of_the_store_is_the_default(database_url: str, clock: FakeClock) -> None:
    with TreadleStore(
        database_url,
        clock=clock,
        ttl={"default_ttl": 1, "refresh_on_read": False, "omit_expired": True},
    ) as store:
        store.put(("a",), "default", {})
        store.put(("a",), "own", {}, ttl=5)
        store.put(("a",), "ever", {}, ttl=None)
        clock.advance(40)
        assert len(store.search(("a",))) == 3
        clock.advance(40)
        assert set(keys(store.search(("a",)))) == {"own", "ever"}
        assert store.get(("a",), "default") is None
        store.put(("a",), "own", {})
        clock.advance(240)
        assert keys(store.search(("a",))) == ["ever"]
        assert store.sweep_ttl() == 2


def test_a_sweeper_sweeps_until_it_is_stopped(tmp_path: Path) -> None:
    with TreadleStore(f"sqlite:///{tmp_path}/a.db") as store:
        store.put(("a",), "k", {}, ttl=0)
        future = store.start_ttl_sweeper(0.0001)
        assert store.start_ttl_sweeper() is future
        deadline = time.monotonic() + SECONDS
        while store.search(("a",), refresh_ttl=False):
            assert time.monotonic() < deadline, "it does not sweep"
        assert store.stop_ttl_sweeper(SECONDS)
        future.result(SECONDS)


def test_a_store_that_nobody_has_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())  # some of which may end meanwhile
    store = TreadleStore(f"sqlite:///{tmp_path}/a.db")
    store.put(("a",), "k", {})
    store.start_ttl_sweeper(0.0001)
    assert set(threading.enumerate()) - before
    del store
    deadline = time.monotonic() + SECONDS
    while set(threading.enumerate()) - before:
        gc.collect()
        assert time.monotonic() < deadline, [each.name for each in threading.enumerate()]
        time.sleep(0.01)


# ---- searching by meaning ----------------------------------------------------------------------

MEANINGS = {"tea": [1.0, 0.0], "coffee": [0.8, 0.6], "rust": [0.0, 1.0], "drinks": [1.0, 0.1]}


def embed(texts: Any) -> list[list[float]]:
    return [MEANINGS.get(text, [0.0, 0.0]) for text in texts]


async def aembed(texts: Any) -> list[list[float]]:
    return embed(texts)


def indexed(url: str, embedding: Any = embed, **more: Any) -> TreadleStore:
    index: Any = {"dims": 2, "embed": embedding, "fields": ["text"], **more}
    return TreadleStore(url, index=index)


def test_the_nearest_come_first(database_url: str) -> None:
    with indexed(database_url) as store:
        for text in ("rust", "tea", "coffee"):
            store.put(("a",), text, {"text": text, "hot": text != "rust"})
        store.put(("a",), "none", {"text": "tea"}, index=False)
        found = store.search(("a",), query="drinks")
        assert keys(found) == ["tea", "coffee", "rust", "none"]
        scores = [each.score for each in found]
        assert scores[:3] == pytest.approx([0.995, 0.856, 0.0995], abs=0.01)
        assert scores[3] is None
        assert keys(store.search(("a",), query="drinks", filter={"hot": True}, limit=2)) == [
            "tea",
            "coffee",
        ]
        assert keys(store.search(("a",), query="drinks", limit=2, offset=1)) == ["coffee", "rust"]
        store.put(("a",), "tea", {"text": "rust"})
        assert keys(store.search(("a",), query="drinks", limit=1)) == ["coffee"]
        store.delete(("a",), "coffee")
        assert keys(store.search(("a",), query="drinks", limit=2)) == ["tea", "rust"]


def test_an_item_is_as_near_as_the_nearest_of_its_texts(database_url: str) -> None:
    with indexed(database_url, fields=["texts[*]"]) as store:
        store.put(("a",), "both", {"texts": ["rust", "tea"]})
        store.put(("a",), "one", {"texts": ["rust"], "title": "tea"})
        found = store.search(("a",), query="tea")
        assert keys(found) == ["both", "one"]
        assert found[0].score == pytest.approx(1.0)
        store.put(("a",), "one", {"texts": ["rust"], "title": "tea"}, index=["title"])
        assert store.search(("a",), query="tea")[1].score == pytest.approx(1.0)


async def test_async_embeddings_serve_async_calls(database_url: str) -> None:
    async with indexed(database_url, aembed) as store:
        await store.aput(("a",), "tea", {"text": "tea"})
        await store.aput(("a",), "rust", {"text": "rust"})
        assert keys(await store.asearch(("a",), query="drinks")) == ["tea", "rust"]


def test_bad_vectors_are_refused_and_nothing_is_kept(database_url: str) -> None:
    for bad in ([[1.0]], [[float("nan"), 1.0]], [], [[1e300, 0.0]]):
        with indexed(database_url, lambda _, bad=bad: bad) as store:
            assert code(lambda: store.put(("a",), "k", {"text": "tea"})) == "bad_embedding"
            assert store.search(()) == []
    with indexed(database_url) as store:
        store.put(("a",), "k", {"text": "tea"})
    with TreadleStore(
        database_url, index={"dims": 1, "embed": lambda texts: [[1.0] for _ in texts]}
    ) as other:
        assert code(lambda: other.search(("a",), query="tea")) == "bad_embedding"
    assert code(lambda: TreadleStore(database_url, index={"dims": 2})) == "bad_index"  # type: ignore[typeddict-item]


def test_cosines_are_the_same_with_numpy_and_without() -> None:
    pytest.importorskip("numpy")
    query = vectors_module.packed([0.3, -0.4, 0.5], 3)
    others = [vectors_module.packed([n - 2.0, n * 0.1, 1.0 - n], 3) for n in range(5)]
    others.append(vectors_module.packed([0.0, 0.0, 0.0], 3))
    assert vectors_module._with_numpy(query, others) == pytest.approx(
        vectors_module._without(query, others)
    )
    assert vectors_module._without(query, others)[5] == 0.0

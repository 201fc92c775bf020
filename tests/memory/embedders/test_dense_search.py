"""Searching a namespace by meaning, while others write and delete."""

from collections.abc import AsyncIterator

import numpy as np
import pytest
import sqlalchemy as sa

from treadle.core.database import Database, DatabaseUrl
from treadle.core.errors import RunError
from treadle.memory import tables
from treadle.memory.embedders import (
    DenseSearch,
    NamedEmbedder,
    SignatureCache,
    Vectors,
    drop_vectors,
    put_vectors,
)
from treadle.memory.embedders.pgvector import pgvector_available
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.testing import HashingEmbedder

HERE, ELSEWHERE = Namespace("a"), Namespace("b")
WORDS = [
    "red",
    "green",
    "blue",
    "black",
    "white",
    "cyan",
    "grey",
    "pink",
    "teal",
    "navy",
    "olive",
    "lime",
]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    database = Database(DatabaseUrl.parse(database_url))
    yield Store(database)
    await database.close()


def searching(cache: SignatureCache | None = None) -> DenseSearch:
    return DenseSearch(NamedEmbedder(HashingEmbedder(64), "hashing", 64), cache)


async def put(
    store: Store, numbers: list[int], namespace: Namespace = HERE, kind: Kind = Kind.EPISODE
) -> int:
    texts = [WORDS[number % len(WORDS)] for number in numbers]
    made = await searching().embedder.vectors(texts)
    async with store.writing(namespace) as partition:
        return await put_vectors(partition, made.model, [(kind, n) for n in numbers], made.rows)


async def found(
    search: DenseSearch, store: Store, text: str, namespace: Namespace = HERE, most: int = 2
) -> list[int]:
    query = await search.query(text)
    assert query is not None
    async with store.reading(namespace) as partition:
        return [each.item_id for each in await search.search(partition, Kind.EPISODE, query, most)]


async def test_the_nearest_come_first_and_the_newest_of_equals(store: Store) -> None:
    search = searching()
    assert await found(search, store, "blue") == []
    await put(store, [1, 2, 3, 14])
    assert await found(search, store, "blue") == [14, 2]
    assert await search.query(" ") is None


async def test_namespaces_kinds_and_models_do_not_mix(store: Store) -> None:
    search = searching()
    await put(store, [1])
    await put(store, [2], ELSEWHERE)
    await put(store, [2], kind=Kind.FACT)
    assert await found(search, store, "blue", most=9) == [1]
    assert await found(search, store, "blue", ELSEWHERE, most=9) == [2]
    other = DenseSearch(NamedEmbedder(HashingEmbedder(64), "other", 64), search.cache)
    assert await found(other, store, "blue", most=9) == []


async def test_what_others_add_is_read_without_reading_all_again(store: Store) -> None:
    search = searching()
    await put(store, [1, 5])
    assert len(await found(search, store, "blue", most=9)) == 2
    for number in (14, 3, 2, 26):  # workers end in any order
        await put(store, [number])
        assert number in await found(search, store, "blue", most=9)
    await put(store, [7], kind=Kind.FACT)
    await found(search, store, "blue")
    assert search.cache.full_reads == 1


async def test_an_item_far_behind_is_found_too(store: Store) -> None:
    search = searching()
    await put(store, [100_000])
    await found(search, store, "blue")
    await put(store, [2])
    assert await found(search, store, "blue", most=1) == [2]
    assert search.cache.full_reads == 2


async def test_what_is_deleted_is_not_found(store: Store) -> None:
    search = searching()
    await put(store, [1, 2, 14])
    assert await found(search, store, "blue") == [14, 2]
    async with store.writing(HERE) as partition:
        assert await drop_vectors(partition, [(Kind.EPISODE, 14), (Kind.EPISODE, 99)]) == 1
    await put(store, [26])
    assert await found(search, store, "blue") == [26, 2]


async def test_a_deletion_that_nobody_counted_does_no_harm(store: Store) -> None:
    search = searching()
    await put(store, [1, 2, 14])
    await found(search, store, "blue")
    async with store.writing(HERE) as partition:
        await partition.execute(
            partition.delete(tables.embedding).where(tables.embedding.c.item_id == 14)
        )
    assert await found(search, store, "blue", most=1) == [2]


async def test_many_deletions_shrink_the_cache(store: Store) -> None:
    search = searching()
    await put(store, list(range(1, 301)))
    await found(search, store, "blue")
    async with store.writing(HERE) as partition:
        await drop_vectors(partition, [(Kind.EPISODE, number) for number in range(1, 250)])
    await found(search, store, "blue")
    async with store.reading(HERE) as partition:
        held = await search.cache.signatures(partition, "hashing/64", Kind.EPISODE)
    assert sorted(held.items.tolist()) == list(range(250, 301))


async def test_putting_again_changes_nothing(store: Store) -> None:
    assert await put(store, [1, 2]) == 2
    assert await put(store, [2, 3]) == 1
    assert await put(store, []) == 0


async def test_the_cache_lets_go_of_what_is_not_used(store: Store) -> None:
    search = searching(SignatureCache(most_bytes=1))
    await put(store, [2])
    await put(store, [2], ELSEWHERE)
    for namespace in (HERE, ELSEWHERE, HERE):
        assert await found(search, store, "blue", namespace) == [2]
    assert search.cache.full_reads == 3
    assert search.cache.bytes > 0


async def test_a_broken_row_is_named(store: Store) -> None:
    search = searching()
    await put(store, [1, 2])
    async with store.writing(HERE) as partition:
        await partition.execute(
            partition.update(tables.embedding)
            .where(tables.embedding.c.item_id == 1)
            .values(vector=b"short")
        )
    with pytest.raises(RunError, match="bad_vector_rows"):
        await found(search, store, "blue")


async def test_exact_cosines_of_given_items(store: Store) -> None:
    search = searching()
    await put(store, [1, 2])
    query = await search.query("blue")
    assert query is not None
    async with store.reading(HERE) as partition:
        cosines = await search.cosines(partition, Kind.EPISODE, query, [1, 2, 3])
    assert set(cosines) == {1, 2}
    assert cosines[2] == pytest.approx(1)


async def test_vectors_lie_in_the_table_as_said(store: Store) -> None:
    rows = np.array([[0.6, -0.8]], np.float32)
    async with store.writing(HERE) as partition:
        await put_vectors(partition, "m/2", [(Kind.FACT, 7)], rows)
    async with store.reading(HERE) as partition:
        row = (await partition.execute(partition.rows(tables.embedding))).one()
        changes = await partition.execute(sa.select(tables.namespace.c.changes))
    assert row.vector == rows.astype("<f4").tobytes()
    assert row.signature == b"\x01" + bytes(7)
    assert changes.scalar_one() == 1


async def test_whether_pgvector_is_there_can_be_asked(store: Store) -> None:
    assert await pgvector_available(store.database) in (True, False)
    if store.database.url.is_sqlite:
        assert not await pgvector_available(store.database)


def test_vectors_are_plain_values() -> None:
    assert Vectors("m/1", np.ones((1, 1), np.float32)).model == "m/1"

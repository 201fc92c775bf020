"""Vectors for items that wait for theirs: once, and each for itself."""

from collections.abc import AsyncIterator, Sequence

import pytest

from treadle.core.database import Database, DatabaseUrl
from treadle.core.errors import ModelError
from treadle.memory import tables
from treadle.memory.embedders import (
    NamedEmbedder,
    Pending,
    drop_other_models,
    embed_pending,
    missing_vectors,
)
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.testing import HashingEmbedder

HERE = Namespace("a")


class Choosy:
    """Refuses some texts, with the error that it was given, and keeps what it was asked."""

    def __init__(self, refused: str = "", error: ModelError | None = None) -> None:
        self.refused = refused
        self.error = error or ModelError("model_bad_request", "no")
        self.asked: list[list[str]] = []
        self._hashing = HashingEmbedder(16)

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked.append(list(texts))
        if self.refused and any(self.refused in text for text in texts):
            raise self.error
        return self._hashing.embed(texts)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    database = Database(DatabaseUrl.parse(database_url))
    yield Store(database)
    await database.close()


async def remember(store: Store, *texts: str, actor: str = "") -> list[Pending]:
    items = []
    async with store.writing(HERE) as partition:
        for text in texts:
            number = await partition.add(
                tables.episode,
                uid=store.new_id(),
                text=text,
                actor=actor,
                occurred_at=partition.now,
                recorded_at=partition.now,
                terms="",
                content_hash="",
                fingerprint="",
            )
            items.append(Pending(Kind.EPISODE, number))
    return items


async def stored(store: Store) -> list[tuple[str, int]]:
    async with store.reading(HERE) as partition:
        rows = await partition.execute(partition.rows(tables.embedding))
        return sorted((row.model, row.item_id) for row in rows)


async def test_items_get_vectors_once(store: Store) -> None:
    items = await remember(store, "red", "green", actor="Alice")
    choosy = Choosy()
    embedder = NamedEmbedder(choosy, "m", 16)
    done = await embed_pending(store, HERE, embedder, items)
    assert (done.done, dict(done.failed)) == (tuple(items), {})
    assert choosy.asked == [["Alice: red", "Alice: green"]]
    again = await embed_pending(store, HERE, embedder, items)
    assert again.done == tuple(items)
    assert len(choosy.asked) == 1
    assert await stored(store) == [("m/16", each.item_id) for each in items]


async def test_what_has_no_text_or_is_gone_needs_no_work(store: Store) -> None:
    items = [*await remember(store, "  "), Pending(Kind.EPISODE, 99), Pending(Kind.ARTIFACT, 1)]
    done = await embed_pending(store, HERE, NamedEmbedder(Choosy("."), "m"), items)
    assert done.done == tuple(items)
    assert await stored(store) == []


async def test_one_bad_text_spoils_only_itself(store: Store) -> None:
    items = await remember(store, *(f"text {number}" for number in range(9)), "poison")
    embedder = NamedEmbedder(Choosy("poison"), "m")
    done = await embed_pending(store, HERE, embedder, items)
    assert done.done == tuple(items[:9])
    assert {item: error.code for item, error in done.failed.items()} == {
        items[9]: "model_bad_request"
    }
    assert len(await stored(store)) == 9


async def test_a_server_that_is_down_is_asked_once(store: Store) -> None:
    items = await remember(store, "red", "green")
    down = Choosy("e", ModelError("model_unreachable", "no", retryable=True))
    done = await embed_pending(store, HERE, NamedEmbedder(down, "m"), items)
    assert done.done == ()
    assert set(done.failed) == set(items)
    assert len(down.asked) == 1


async def test_an_item_that_is_deleted_meanwhile_gets_no_vector(store: Store) -> None:
    items = await remember(store, "red", "green")

    class Deleting(Choosy):
        async def delete(self) -> None:
            async with store.writing(HERE) as partition:
                table = tables.episode
                await partition.execute(
                    partition.delete(table).where(table.c.id == items[0].item_id)
                )

    deleting = Deleting()

    class Embedder(NamedEmbedder):
        async def vectors(self, texts):  # type: ignore[no-untyped-def]
            made = await super().vectors(texts)
            await deleting.delete()
            return made

    await embed_pending(store, HERE, Embedder(deleting, "m"), items)
    assert await stored(store) == [("m/16", items[1].item_id)]


async def test_another_model_embeds_anew_and_the_old_one_goes(store: Store) -> None:
    items = await remember(store, "red", "green", "blue")
    await embed_pending(store, HERE, NamedEmbedder(Choosy(), "old"), items)
    new = NamedEmbedder(Choosy(), "new", 16)
    assert new.model == "new/16"
    async with store.reading(HERE) as partition:
        first = await missing_vectors(partition, "new/16", Kind.EPISODE, most=2)
        rest = await missing_vectors(partition, "new/16", Kind.EPISODE, after=first[-1].item_id)
        assert await missing_vectors(partition, "old/16", Kind.EPISODE) == []
        assert await missing_vectors(partition, "old/16", Kind.ARTIFACT) == []
    assert [*first, *rest] == items
    await embed_pending(store, HERE, new, items)
    async with store.writing(HERE) as partition:
        assert await drop_other_models(partition, "new/16") == 3
    assert await stored(store) == [("new/16", each.item_id) for each in items]

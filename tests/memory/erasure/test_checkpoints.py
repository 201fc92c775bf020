"""Conversations and items of LangGraph applications about a subject go with it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from tests.memory.erasure.test_eraser import CANARY, HOME, fill, forms, raw

from treadle.memory.erasure.checkpoints import CheckpointErasure
from treadle.memory.erasure.eraser import Eraser
from treadle.memory.erasure.sought import Sought
from treadle.memory.langgraph.tables import checkpoint, checkpoint_value, store_item
from treadle.memory.store import Store


def packed(text: str) -> bytes:
    """A string as msgpack writes one of up to 255 bytes: its length may be a letter."""
    data = text.encode()
    return b"\x81\xa1k\xd9" + bytes([len(data)]) + data


async def add_thread(store: Store, thread: str, body: bytes, tenant: str = "local") -> None:
    key = {"tenant": tenant, "thread_id": thread, "namespace": ""}
    async with store.database.writing() as connection:
        await connection.execute(
            sa.insert(checkpoint).values(
                **key,
                checkpoint_id="1",
                kind="msgpack",
                body=b"\x80",
                metadata_kind="msgpack",
                metadata=b"\x80",
                channels="{}",
                written_at=1.0,
            )
        )
        await connection.execute(
            sa.insert(checkpoint_value).values(
                **key, channel="messages", version="1", kind="msgpack", body=body
            )
        )


async def add_item(store: Store, number: int, key: str, value: str) -> None:
    async with store.database.writing() as connection:
        await connection.execute(
            sa.insert(store_item).values(
                item_id=number,
                tenant="local",
                namespace="notes",
                key=key,
                value=value,
                created_at=1.0,
                updated_at=1.0,
            )
        )


async def threads(store: Store) -> list[tuple[str, str]]:
    async with store.database.reading() as connection:
        query = sa.select(checkpoint.c.tenant, checkpoint.c.thread_id)
        return sorted((row.tenant, row.thread_id) for row in await connection.execute(query))


async def test_threads_and_items_go_as_a_whole(store: Store) -> None:
    await fill(store)
    # Its length is that of the letter A: it must not be taken for the start of the name.
    await add_thread(store, "t1", packed(CANARY + " " + "x" * (64 - len(CANARY))))
    await add_thread(store, "t2", packed("Write to Bo."))
    await add_thread(store, "t3", packed(f"a{CANARY}s"))
    await add_thread(store, "t1", packed(CANARY), tenant="other")
    await add_item(store, 1, "a", '{"text": "ask zuleikha\\u0020quartermaine"}')
    await add_item(store, 2, "b", '{"text": "ask Bo"}')
    receipt = await Eraser(store, [CheckpointErasure(store.database)]).forget(
        namespace=HOME, subject=CANARY
    )
    assert receipt.elsewhere == {"thread": 1, "store item": 1}
    assert await threads(store) == [("local", "t2"), ("local", "t3"), ("other", "t1")]
    async with store.database.reading() as connection:
        keys = (await connection.execute(sa.select(store_item.c.key))).scalars().all()
    assert keys == ["b"]


async def test_nothing_is_left_in_the_file(store: Store) -> None:
    await add_thread(store, "t1", packed(f"Dear {CANARY}, hello"))
    eraser = Eraser(store, [CheckpointErasure(store.database)])
    receipt = await eraser.forget(namespace=HOME, subject=CANARY)
    assert receipt.proved
    for form in forms(CANARY):
        assert form not in raw(store)


@pytest.mark.parametrize("text", ["", "Ann", "Annabel"])
async def test_a_place_without_it_is_left_alone(store: Store, text: str) -> None:
    await add_thread(store, "t1", packed(text.replace("Ann", "Hannah")))
    assert await CheckpointErasure(store.database).purge(Sought(["Ann"])) == {}

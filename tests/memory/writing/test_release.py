"""A worker that is cancelled hands back what it had leased."""

from __future__ import annotations

import asyncio

from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.episodes import EXTRACT, Episodes
from treadle.memory.writing.outbox import Lease, Outbox
from treadle.memory.writing.worker import Handler, Worker

ALICE = Namespace("users/alice")


async def test_another_goes_on_at_once(store: Store) -> None:
    await Episodes(store).remember("I live in Paris.", namespace=ALICE, actor="Alice")
    begun = asyncio.Event()

    async def hang(_: Lease) -> None:
        begun.set()
        await asyncio.Event().wait()

    outbox = Outbox(store)
    first = asyncio.ensure_future(
        Worker(outbox, {EXTRACT: Handler(hang)}, clock=store.clock).work_once()
    )
    async with asyncio.timeout(10):
        await begun.wait()
    assert await outbox.lease(EXTRACT, "other", seconds=60, most=16) is None
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert first.cancelled()
    lease = await outbox.lease(EXTRACT, "other", seconds=60, most=16)
    assert lease is not None
    assert [errand.attempts for errand in lease.errands] == [1]

"""A worker that is cancelled hands back what it had leased."""

from __future__ import annotations

import asyncio

from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.episodes import EXTRACT, Episodes
from treadle.memory.writing.outbox import Lease, Outbox
from treadle.memory.writing.worker import Handler, Worker
from treadle.testing import FakeClock

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


async def test_what_another_has_leased_since_is_not_handed_back(
    store: Store, clock: FakeClock
) -> None:
    await Episodes(store).remember("I live in Paris.", namespace=ALICE, actor="Alice")
    outbox = Outbox(store)
    late = await outbox.lease(EXTRACT, "late", seconds=10, most=16)
    assert late is not None
    clock.advance(11)
    now = await outbox.lease(EXTRACT, "now", seconds=60, most=16)
    assert now is not None
    await outbox.release(late)
    # It is still leased, and counted as begun twice.
    assert await outbox.lease(EXTRACT, "third", seconds=60, most=16) is None
    assert [errand.attempts for errand in now.errands] == [2]
    await outbox.release(now)
    third = await outbox.lease(EXTRACT, "third", seconds=60, most=16)
    assert third is not None
    assert [errand.attempts for errand in third.errands] == [2]


async def test_whoever_is_stopped_before_it_begins_hands_all_of_it_back(store: Store) -> None:
    episodes = Episodes(store)
    for city in ("Paris", "Rome", "Oslo"):
        await episodes.remember(f"I live in {city}.", namespace=ALICE, actor="Alice")
    outbox = Outbox(store)
    lease = await outbox.lease(EXTRACT, "one", seconds=60, most=2)
    assert lease is not None
    await outbox.release(lease)
    again = await outbox.lease(EXTRACT, "other", seconds=60, most=16)
    assert again is not None
    assert [errand.attempts for errand in again.errands] == [1, 1, 1]

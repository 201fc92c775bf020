"""The outbox and its workers: every errand is done, once, by somebody, or kept with its error."""

from __future__ import annotations

import asyncio

import pytest

from treadle.core.errors import ModelError, ToolError
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.outbox import Lease, LeaseTakenOver, Outbox, finish, post
from treadle.memory.writing.worker import Handler, Worker
from treadle.testing import FakeClock

ALICE, BOB = Namespace("users/alice"), Namespace("users/bob")


@pytest.fixture
def outbox(store: Store) -> Outbox:
    return Outbox(store, most_attempts=3)


async def _ask(store: Store, *items: int, namespace: Namespace = ALICE, task: str = "x") -> None:
    async with store.writing(namespace) as partition:
        await post(partition, [task], Kind.EPISODE, items)


class Doer:
    """Takes down what it did; fails as it is told."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.batches: list[int] = []
        self.fails: dict[int, Exception] = {}

    async def work(self, lease: Lease) -> None:
        self.batches.append(len(lease.errands))
        for errand in lease.errands:
            if errand.item_id in self.fails:
                raise self.fails[errand.item_id]
        self.done += [errand.item_id for errand in lease.errands]


async def test_what_is_asked_for_is_done_once_and_in_order(store: Store, outbox: Outbox) -> None:
    doer = Doer()
    worker = Worker(outbox, {"x": Handler(doer.work, most=2)}, clock=store.clock)
    await _ask(store, 3, 1, 2)
    await _ask(store, 1, 4)
    assert await worker.work_once() == 4
    assert doer.done == [3, 1, 2, 4]
    assert doer.batches == [2, 2]
    assert await worker.work_once() == 0
    assert await outbox.counts() == {}


async def test_a_lease_is_of_one_namespace(store: Store, outbox: Outbox) -> None:
    await _ask(store, 1)
    await _ask(store, 1, 2, namespace=BOB)
    first = await outbox.lease("x", "me", seconds=10, most=9)
    second = await outbox.lease("x", "me", seconds=10, most=9)
    assert first is not None
    assert second is not None
    assert (first.namespace, len(first.errands)) == (ALICE, 1)
    assert (second.namespace, len(second.errands)) == (BOB, 2)
    assert await outbox.lease("x", "other", seconds=10, most=9) is None
    assert await outbox.lease("y", "other", seconds=10, most=9) is None


async def test_who_dies_is_succeeded(store: Store, outbox: Outbox, clock: FakeClock) -> None:
    await _ask(store, 1)
    first = await outbox.lease("x", "dies", seconds=10, most=9)
    assert first is not None
    clock.advance(11)
    second = await outbox.lease("x", "heir", seconds=10, most=9)
    assert second is not None
    assert second.errands[0].attempts == 2
    with pytest.raises(LeaseTakenOver):
        await outbox.done(first)
    await outbox.done(second)
    assert await outbox.counts() == {}


async def test_a_clock_that_goes_back_holds_up_nobody(
    store: Store, outbox: Outbox, clock: FakeClock
) -> None:
    await _ask(store, 1)
    assert await outbox.lease("x", "dies", seconds=10, most=9) is not None
    clock.jump(-100_000)
    await _ask(store, 2)
    lease = await outbox.lease("x", "heir", seconds=10, most=9)
    assert lease is not None
    assert len(lease.errands) + 1 >= 2


async def test_what_kills_its_workers_is_given_up(
    store: Store, outbox: Outbox, clock: FakeClock
) -> None:
    await _ask(store, 1)
    for _ in range(3):
        assert await outbox.lease("x", "dies", seconds=10, most=9) is not None
        clock.advance(11)
    assert await outbox.lease("x", "next", seconds=10, most=9) is None
    (letter,) = await outbox.dead_letters()
    assert letter.error.startswith("lease_lost")
    assert (letter.namespace, letter.task, letter.item_id) == (ALICE, "x", 1)


async def test_what_fails_is_tried_again_later_and_then_kept(
    store: Store, outbox: Outbox, clock: FakeClock
) -> None:
    doer = Doer()
    doer.fails[2] = ToolError("broken", "no \0 use \ud800", retryable=True)
    worker = Worker(outbox, {"x": Handler(doer.work)}, clock=clock)
    await _ask(store, 1, 2, 3)
    assert await worker.work_once() == 0
    assert await worker.work_once() == 0
    clock.advance(3)
    # Alone this time, so that the others are not held up.
    assert await worker.work_once() == 2
    assert sorted(doer.done) == [1, 3]
    for _ in range(3):
        clock.advance(1000)
        await worker.work_once()
    assert await outbox.counts() == {"x": {"waiting": 0, "dead": 1}}
    (letter,) = await outbox.dead_letters()
    assert letter.error == "broken: no \\0 use \\ud800"
    doer.fails.clear()
    assert await outbox.retry([letter.id], namespace=ALICE) == 1
    assert await worker.work_once() == 1
    assert await outbox.dead_letters() == ()


async def test_what_is_hopeless_is_not_tried_again(store: Store, outbox: Outbox) -> None:
    doer = Doer()
    doer.fails[1] = ModelError("bad_model_output", "no JSON")
    await _ask(store, 1)
    await Worker(outbox, {"x": Handler(doer.work)}, clock=store.clock).work_once()
    (letter,) = await outbox.dead_letters()
    assert letter.error.startswith("bad_model_output")


async def test_a_fault_of_the_handler_is_kept_too(store: Store, outbox: Outbox) -> None:
    doer = Doer()
    doer.fails[1] = ZeroDivisionError("oh")
    await _ask(store, 1)
    await Worker(outbox, {"x": Handler(doer.work)}, clock=store.clock).work_once()
    assert (await outbox.counts())["x"] == {"waiting": 1, "dead": 0}


async def test_fewer_than_it_takes_wait(store: Store, outbox: Outbox) -> None:
    doer = Doer()
    worker = Worker(outbox, {"x": Handler(doer.work, most=4, fewest=3)}, clock=store.clock)
    await _ask(store, 1, 2)
    await _ask(store, 7, 8, namespace=BOB)
    assert await worker.work_once() == 0
    await _ask(store, 3)
    assert await worker.work_once() == 3
    assert doer.done == [1, 2, 3]


async def test_what_is_asked_for_anew_meanwhile_is_done_anew(store: Store, outbox: Outbox) -> None:
    await _ask(store, 1)
    lease = await outbox.lease("x", "me", seconds=10, most=1)
    assert lease is not None
    async with store.writing(ALICE) as partition:
        await post(partition, ["x"], Kind.EPISODE, [1], {"again_at": 5.0})
    async with store.reading(ALICE):
        pass
    with pytest.raises(LeaseTakenOver):
        async with store.writing(ALICE) as partition:
            await finish(partition, lease, [lease.errands[0].id])
    again = await outbox.lease("x", "me", seconds=10, most=1)
    assert again is not None
    assert again.errands[0].payload == {"again_at": 5.0}


async def test_workers_share_what_there_is(store: Store, outbox: Outbox) -> None:
    doer = Doer()
    workers = [
        Worker(outbox, {"x": Handler(doer.work, most=3)}, clock=store.clock) for _ in range(4)
    ]
    await _ask(store, *range(40))
    async with asyncio.timeout(15), asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.work_once())
    assert sorted(doer.done) == list(range(40))


async def test_a_worker_runs_until_it_is_cancelled(store: Store, outbox: Outbox) -> None:
    doer = Doer()
    clock = FakeClock()
    worker = Worker(outbox, {"x": Handler(doer.work)}, clock=clock)
    async with asyncio.timeout(15), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await clock.wait_for_sleepers()
        await _ask(store, 1)
        worker.wake()
        while not doer.done:
            await asyncio.sleep(0.01)
        await clock.wait_for_sleepers()
        await _ask(store, 2)
        clock.advance(5)
        while len(doer.done) < 2:
            await asyncio.sleep(0.01)
        running.cancel()
    assert doer.done == [1, 2]

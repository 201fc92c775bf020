"""Limits of namespaces."""

from __future__ import annotations

from typing import Any

import pytest
from tests.memory.erasure import filling
from tests.memory.erasure.test_eraser import HOME, left

from treadle.core.errors import InputError
from treadle.memory.memory import Memory
from treadle.memory.namespace import Namespace
from treadle.memory.policies import Enforced, Policies, Policy
from treadle.memory.store import Store
from treadle.testing import FakeClock

OTHER = Namespace("other")


async def fill(store: Store, namespace: Namespace, count: int, **more: Any) -> None:
    async with store.writing(namespace) as partition:
        for number in range(count):
            await filling.episode(partition, f"e{number}", f"text {number} ü", **more)


async def test_the_oldest_go_first(store: Store, clock: FakeClock) -> None:
    await fill(store, HOME, 3)
    clock.advance(100)
    async with store.writing(HOME) as partition:
        late = await filling.episode(partition, "late", "later text")
        her = await filling.entity(partition, "Kim", late)
        await filling.fact(partition, "f1", her, "is", "late", late)
    await fill(store, OTHER, 3)
    policies = Policies(store)
    limits = Policy(most_episodes=2)
    assert await policies.excess(limits, namespace=HOME) == 2
    await policies.set(limits, namespace=HOME)
    done = await policies.enforce(namespace=HOME)
    assert done.over_count == 2
    assert await policies.excess(limits, namespace=HOME) == 0
    assert done.erased["episode"] == 2
    found = await left(store)
    assert found["episode"] == ["e2", "late"]
    assert found["fact"] == ["f1"]
    assert len((await left(store, OTHER))["episode"]) == 3
    assert await policies.enforce(namespace=HOME) == Enforced()


async def test_what_was_used_lately_stays(store: Store, clock: FakeClock) -> None:
    await fill(store, HOME, 1, used_at=clock.now() + 50, uses=1)
    async with store.writing(HOME) as partition:
        await filling.episode(partition, "unused", "other text")
    policies = Policies(store)
    await policies.set(Policy(most_episodes=1), namespace=HOME)
    await policies.enforce(namespace=HOME)
    assert (await left(store))["episode"] == ["e0"]


async def test_what_is_too_old_goes_with_what_only_it_says(store: Store, clock: FakeClock) -> None:
    async with store.writing(HOME) as partition:
        old = await filling.episode(partition, "old", "Kim lives in Lisbon")
        kim = await filling.entity(partition, "Kim", old)
        await filling.fact(partition, "f1", kim, "lives in", "Lisbon", old)
    clock.advance(1_000)
    await fill(store, HOME, 1)
    policies = Policies(store)
    await policies.set(Policy(keep_seconds=500), namespace=HOME)
    assert (await policies.enforce(namespace=HOME)).expired == 1
    found = await left(store)
    assert (found["episode"], found["fact"], found["entity"]) == (["e0"], [], [])
    # By the time that is given, and again by the clock of the store, which may jump.
    assert (await policies.enforce(namespace=HOME, now=clock.now() + 501)).expired == 1
    clock.jump(-1e6)
    assert await policies.enforce(namespace=HOME) == Enforced()


async def test_bytes_are_those_of_utf8(store: Store) -> None:
    await fill(store, HOME, 4)  # 9 bytes each
    policies = Policies(store)
    await policies.set(Policy(most_bytes=27), namespace=HOME)
    assert (await policies.enforce(namespace=HOME)).over_bytes == 1
    await policies.set(Policy(most_bytes=26), namespace=HOME)
    assert (await policies.enforce(namespace=HOME)).over_bytes == 1
    await policies.set(Policy(most_bytes=0), namespace=HOME)
    await policies.enforce(namespace=HOME)
    assert (await left(store))["episode"] == []


async def test_limits_are_kept_and_listed(store: Store) -> None:
    policies = Policies(store)
    limits = Policy(most_episodes=5, most_bytes=2**40, keep_seconds=1.5)
    await policies.set(limits, namespace=HOME)
    await fill(store, OTHER, 1)
    assert await policies.get(namespace=HOME) == limits
    assert await policies.get(namespace=OTHER) == Policy()
    assert await policies.get(namespace=Namespace("nowhere")) == Policy()
    assert await policies.limited() == (HOME,)
    await policies.set(Policy(), namespace=HOME)
    assert await policies.limited() == ()


@pytest.mark.parametrize(
    "limits",
    [
        Policy(keep_seconds=250),
        Policy(most_episodes=3),
        Policy(most_bytes=20),
        Policy(most_episodes=4, most_bytes=27, keep_seconds=450),
        Policy(most_episodes=9),
        Policy(most_bytes=0),
    ],
)
async def test_what_would_go_is_counted_before(
    store: Store, clock: FakeClock, limits: Policy
) -> None:
    for number in range(6):
        async with store.writing(HOME) as partition:
            await filling.episode(partition, f"e{number}", f"the text {number}")
        clock.advance(100)
    policies = Policies(store)
    expected = await policies.excess(limits, namespace=HOME)
    await policies.set(limits, namespace=HOME)
    done = await policies.enforce(namespace=HOME)
    assert done.expired + done.over_count + done.over_bytes == expected
    assert len((await left(store))["episode"]) == 6 - expected


@pytest.mark.parametrize(
    "limits",
    [
        {"most_episodes": -1},
        {"most_episodes": True},
        {"most_bytes": 1.5},
        {"most_bytes": 2**70},
        {"keep_seconds": float("nan")},
        {"keep_seconds": -1},
        {"keep_seconds": "1"},
    ],
)
def test_bad_limits(limits: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        Policy(**limits)
    assert caught.value.code == "bad_policy"


async def test_summaries_are_made_again_of_what_stays(store: Store, clock: FakeClock) -> None:
    memory = Memory(store.database, namespace=HOME, clock=clock)
    await memory.remember("Kim lives in Lisbon.", actor="user")
    await memory.remember("Bo lives in Porto.", actor="user")
    clock.advance(100)
    await memory.remember("Kim works at Acme.", actor="user")
    await memory.work()
    before = await memory.people.get("Kim")
    assert before is not None
    assert "Lisbon" in before.text
    await memory.policies.set(Policy(keep_seconds=50))
    done = await memory.policies.enforce()
    assert done.erased["summary"] == 2
    # What is too old is shown to nobody, and whoever works next makes the rest anew.
    assert await memory.people.get("Kim") is None
    waiting = (await memory.stats()).waiting
    assert waiting["summarise"] == 1
    await memory.work()
    after = await memory.people.get("Kim")
    assert after is not None
    assert "Acme" in after.text
    assert "Lisbon" not in after.text
    assert await memory.people.get("Bo") is None

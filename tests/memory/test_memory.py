"""The facade: the whole way from what is said to what is recalled, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from treadle.core.errors import InputError
from treadle.core.taint import label_of
from treadle.memory import Fact, Memory, Namespace
from treadle.memory.kinds import Origin
from treadle.memory.policies import Policy
from treadle.testing import FakeClock, HashingEmbedder

ALICE = Namespace("users/alice")
BOB = Namespace("users/bob")


@pytest.fixture
async def memory(database_url: str, clock: FakeClock) -> AsyncIterator[Memory]:
    memory = Memory(database_url, namespace=ALICE, embedder=HashingEmbedder(), clock=clock)
    yield memory
    await memory.aclose()


async def test_what_was_said_is_recalled_with_what_follows_from_it(memory: Memory) -> None:
    await memory.remember("I live in Paris.", actor="Alice")
    await memory.remember("The printer on the second floor is out of paper.", actor="Alice")
    assert await memory.work() > 0
    found = await memory.recall("Where does Alice live?")
    assert "Paris" in found.hits[0].text
    held = await memory.facts.facts("Alice", "lives_in", namespace=ALICE)
    assert [fact.object for fact in held] == ["Paris"]
    summary = await memory.people.get(ALICE, "Alice")
    assert summary is not None
    assert "Paris" in summary.text


async def test_a_fact_that_has_changed_is_kept_for_its_time(
    memory: Memory, clock: FakeClock
) -> None:
    await memory.remember("I live in Paris.", actor="Alice", occurred_at="2024-03-01")
    await memory.remember("I moved to Oslo.", actor="Alice", occurred_at="2025-06-01")
    await memory.work()

    async def home(day: str) -> list[str]:
        held = await memory.facts.facts("Alice", "lives_in", namespace=ALICE, as_of=day)
        return [fact.object for fact in held]

    assert await home("2024-12-24") == ["Paris"]
    assert await home("2025-12-24") == ["Oslo"]
    found = await memory.recall("Where did Alice live?", as_of="2024-12-24")
    assert not any("Oslo" in hit.text for hit in found.hits)
    assert any(isinstance(hit.item, Fact) and hit.item.object == "Paris" for hit in found.hits)


async def test_what_was_recalled_is_not_kept_again(memory: Memory) -> None:
    said = "The deploy key of the staging cluster is rotated on the first Monday of each month."
    await memory.remember(said, actor="Alice")
    found = await memory.recall("when is the deploy key rotated?")
    assert [hit.text for hit in found.hits] == [said]
    back = await memory.remember(said, actor="assistant", origin=Origin.ASSISTANT, thread="t")
    assert back.outcome == "echo"
    again = await memory.recall("when is the deploy key rotated?", note=False)
    assert len(again.hits) == 1


async def test_a_question_about_nothing_that_is_known(memory: Memory) -> None:
    await memory.remember("The cat sleeps on the radiator.", actor="Alice")
    found = await memory.recall("quarterly revenue forecast")
    assert found.nothing_relevant
    assert found.reason


async def test_labels_come_out_with_what_carried_them(memory: Memory) -> None:
    label = label_of("fetch_url", "page")
    await memory.remember(
        "Kim lives in Oslo.", origin=Origin.TOOL, taint=frozenset({label}), source="page"
    )
    await memory.work()
    found = await memory.recall("Where does Kim live?")
    assert found.taint == {label}
    assert all(hit.taint == {label} for hit in found.hits)


async def test_forgetting_leaves_nothing(memory: Memory) -> None:
    await memory.remember("My sister Zelmira collects antique barometers.", actor="Alice")
    await memory.remember("I like Earl Grey.", actor="Alice")
    await memory.work()
    receipt = await memory.forget(subject="Zelmira")
    assert receipt.proved
    assert receipt.erased["episode"] == 1
    assert (await memory.recall("antique barometers")).nothing_relevant
    assert not (await memory.recall("Earl Grey")).nothing_relevant


async def test_others_see_nothing(memory: Memory) -> None:
    kept = await memory.remember("The vault code is in the blue folder.", actor="Alice")
    await memory.work()
    for other in (BOB, Namespace("users/alice", tenant="other"), Namespace("users")):
        assert (await memory.recall("vault code", namespace=other)).nothing_relevant
        with pytest.raises(InputError, match="unknown_episode"):
            await memory.get(kept.episode.id, namespace=other)


async def test_a_block_works_in_the_background(database_url: str) -> None:
    async with Memory(database_url, namespace=ALICE) as memory:
        await memory.remember("I live in Paris.", actor="Alice")
        async with asyncio.timeout(10):
            while not await memory.facts.facts("Alice", namespace=ALICE):
                await asyncio.sleep(0.01)


async def test_it_goes_on_where_another_process_stopped(database_url: str) -> None:
    first = Memory(database_url, namespace=ALICE)
    kept = await first.remember("I live in Paris.", actor="Alice", idempotency_key="m1")
    await first.aclose()
    second = Memory(database_url, namespace=ALICE)
    again = await second.remember("I live in Paris.", actor="Alice", idempotency_key="m1")
    assert (again.outcome, again.episode.id) == ("duplicate", kept.episode.id)
    assert await second.work() > 0
    assert len(await second.facts.facts("Alice", namespace=ALICE)) == 1
    await second.aclose()


async def test_what_was_forgotten_is_not_brought_back_by_a_retry(memory: Memory) -> None:
    kept = await memory.remember("Zelmira's number is 555.", actor="Alice", idempotency_key="m7")
    await memory.forget(episodes=[kept.episode.id])
    with pytest.raises(InputError, match="episode_erased"):
        await memory.remember("Zelmira's number is 555.", actor="Alice", idempotency_key="m7")
    assert (await memory.recall("Zelmira's number")).nothing_relevant


async def test_it_is_carried_counted_and_kept_within_limits(
    memory: Memory, tmp_path: Path, clock: FakeClock
) -> None:
    for number in range(5):
        await memory.remember(f"Note number {number} about the loom.", actor="Alice")
        clock.advance(60)
    assert await memory.work() > 0
    before = await memory.stats()
    assert (before.rows["episode"], before.waiting, before.dead) == (5, {}, {})
    assert before.embedded["episode"] == 5
    assert await memory.export(tmp_path / "memory.jsonl") > 0
    await memory.policies.set(ALICE, Policy(most_episodes=2))
    await memory.work()
    assert (await memory.stats()).rows["episode"] == 2
    back = await memory.import_(tmp_path / "memory.jsonl")
    assert back.added["episode"] == 3

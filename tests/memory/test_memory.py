"""The facade: the whole way from what is said to what is recalled, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from treadle.core.errors import InputError, ModelError
from treadle.core.taint import label_of
from treadle.memory import Fact, Memory, Namespace
from treadle.memory.embedders import NamedEmbedder
from treadle.memory.kinds import Origin
from treadle.memory.policies import Policy
from treadle.testing import FakeClock, HashingEmbedder

ALICE = Namespace("users/alice")
BOB = Namespace("users/bob")


class BrokenEmbedder:
    """Gives no vectors."""

    name = "broken"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        raise ModelError("model_unreachable", "no current in the wire")


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
    summary = await memory.people.get("Alice", namespace=ALICE)
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
    await memory.policies.set(Policy(most_episodes=2), namespace=ALICE)
    await memory.work()
    assert (await memory.stats()).rows["episode"] == 2
    back = await memory.import_(tmp_path / "memory.jsonl")
    assert back.added["episode"] == 3


async def test_a_namespace_is_named_alike_everywhere(memory: Memory) -> None:
    """By nothing at all, by its path, or as a Namespace; of a path the tenant is one's own."""
    await memory.remember("I live in Paris.", actor="Alice", namespace="/users/alice/")
    await memory.facts.tell("Bob", "lives_in", "Oslo", namespace="users/bob")
    await memory.work()
    here = await memory.facts.facts("Alice", "lives_in")
    assert [fact.object for fact in here] == ["Paris"]
    assert await memory.facts.facts("Alice", "lives_in", namespace=ALICE) == here
    assert [fact.object for fact in await memory.facts.facts(namespace=BOB)] == ["Oslo"]
    await memory.artifacts.write("report.md", "text")
    assert [each.name for each in await memory.artifacts.all(namespace=ALICE)] == ["report.md"]
    await memory.concepts.learn("name", "body", cues=["cue"], namespace="users/bob")
    assert await memory.concepts.all() == []
    assert len(await memory.concepts.all(namespace=BOB)) == 1
    assert await memory.people.get("Alice") is not None
    await memory.policies.set(Policy(most_episodes=7))
    assert await memory.policies.get(namespace="users/alice") == Policy(most_episodes=7)
    there = await memory.recall("where does Alice live", namespace="users/bob")
    assert {hit.text for hit in there.hits} <= {"Bob lives in Oslo"}
    assert (await memory.stats(namespace="users")).namespaces == 2


async def test_a_path_is_of_ones_own_tenant(database_url: str) -> None:
    ours = Memory(database_url, namespace=Namespace("a", "ours"))
    theirs = Memory(database_url, namespace="a")
    await theirs.remember("the door code is 4711", namespace="b")
    await theirs.facts.tell("door", "code", "4711", namespace="b")
    assert theirs.namespace == Namespace("a", "local")
    assert (await ours.recall("door code", namespace="b")).nothing_relevant
    assert await ours.facts.facts(namespace="b") == ()
    assert (await ours.stats(namespace="")).namespaces == 0
    assert (await theirs.stats(namespace="")).namespaces == 1
    await ours.aclose()
    await theirs.aclose()


@pytest.mark.parametrize("wrong", [7, b"users", ["users"], "a//b", "a\nb", "x" * 300])
async def test_what_is_no_namespace_is_refused(memory: Memory, wrong: Any) -> None:
    calls = (
        lambda: memory.remember("x", namespace=wrong),
        lambda: memory.recall("x", namespace=wrong),
        lambda: memory.facts.facts(namespace=wrong),
        lambda: memory.artifacts.all(namespace=wrong),
        lambda: memory.policies.get(namespace=wrong),
        lambda: memory.forget(everything=True, namespace=wrong),
    )
    for call in calls:
        with pytest.raises(InputError) as refused:
            await call()
        assert refused.value.code == "bad_namespace"


async def test_stats_count_what_lies_below_and_nobody_elses(
    memory: Memory, database_url: str
) -> None:
    for path in ("users/alice", "users/alice/diary", "users/alicent", "users"):
        await memory.remember(f"a note in {path}", namespace=path)
    others = Memory(database_url, namespace=Namespace("users/alice", "others"))
    await others.remember("a note of somebody else")
    await others.aclose()
    found = await memory.stats()
    assert (found.namespaces, found.rows["episode"]) == (2, 2)
    assert sum(found.waiting.values()) == 2 * len(found.waiting)
    assert (await memory.stats(namespace="users")).rows["episode"] == 4
    assert (await memory.stats(namespace="nowhere")).rows == {}
    assert sum(each["waiting"] for each in (await memory.outbox.counts()).values()) == sum(
        found.waiting.values()
    )


async def test_stats_of_an_embedder_that_nobody_has_asked_yet(
    memory: Memory, database_url: str
) -> None:
    await memory.remember("the loom is red")
    await memory.work()
    embedder = memory.embedder
    assert embedder is not None
    new = NamedEmbedder(HashingEmbedder(), embedder.name)
    later = Memory(database_url, namespace=ALICE, embedder=new)
    counted = await later.stats()
    await later.aclose()
    assert counted.model == embedder.name
    assert counted.embedded["episode"] == 1


async def test_episodes_that_are_not_there_are_told_from_those_forgotten(memory: Memory) -> None:
    here = (await memory.remember("kept")).episode.id
    below = (await memory.remember("kept below", namespace="users/alice/diary")).episode.id
    gone = (await memory.remember("gone")).episode.id
    elsewhere = (await memory.remember("elsewhere", namespace="users/bob")).episode.id
    await memory.forget(episodes=[gone])
    asked = [here, below, gone, elsewhere, "mem_typo"]
    assert await memory.episodes.missing(asked) == (elsewhere, "mem_typo")


async def test_a_budget_that_nothing_fits_into_is_not_nothing_relevant(memory: Memory) -> None:
    await memory.remember("my dog is called Rex")
    found = await memory.recall("what is the dog called", budget_tokens=1)
    assert (found.hits, found.nothing_relevant) == ((), False)
    assert found.left_out > 0
    assert found.reason.startswith("nothing fits into 1 tokens")
    assert (await memory.recall("quantum chromodynamics", budget_tokens=1)).nothing_relevant


async def test_why_work_is_still_waiting_is_said(database_url: str) -> None:
    memory = Memory(database_url, embedder=BrokenEmbedder())
    await memory.remember("the loom is red")
    assert await memory.outbox.last_failure() == ""
    await memory.work()
    assert "no current in the wire" in await memory.outbox.last_failure()
    assert await memory.outbox.last_failure(namespace="elsewhere") == ""
    await memory.aclose()

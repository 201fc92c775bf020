"""Forgetting: what goes, what stays, and that nothing is left."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.memory.erasure import filling

from treadle.core.errors import InputError, RunError
from treadle.memory import lexical_index, tables
from treadle.memory.erasure.eraser import Eraser
from treadle.memory.erasure.sought import Sought
from treadle.memory.erasure.tombstones import is_erased
from treadle.memory.kinds import Kind
from treadle.memory.memory import Memory
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store

HOME = Namespace("home")
CANARY = "Zuleikha Quartermaine"


async def fill(store: Store, namespace: Namespace = HOME) -> None:
    """A store in which CANARY stands in every table that words stand in."""
    async with store.writing(namespace) as partition:
        first = await filling.episode(partition, "e1", "The roof is being repaired this week.")
        second = await filling.episode(
            partition, "e2", "I moved to Lisbon in March.", actor=CANARY, previous=first
        )
        third = await filling.episode(
            partition, "e3", f"Ask {CANARY.upper()} about the key!", previous=second, actor="Bo"
        )
        fourth = await filling.episode(
            partition, "e4", "Bo has a dog called Rex.", previous=third, actor="Bo"
        )
        metadata = '{"from":"zuleikha\\u0020quartermaine"}'
        await filling.episode(partition, "e5", "See above.", previous=fourth, metadata=metadata)
        her = await filling.entity(partition, CANARY, second, third)
        bo = await filling.entity(partition, "Bo", third, fourth)
        city = await filling.entity(partition, "Lisbon", second)
        old = await filling.fact(partition, "f1", her, "lives in", "Lisbon", second)
        await filling.fact(partition, "f2", bo, "knows", CANARY)
        await filling.fact(partition, "f3", bo, "has", "a dog", fourth, supersedes=old)
        await filling.fact(partition, "f4", bo, "holds", "the key", third)
        await filling.fact(partition, "f5", city, "is in", "Portugal", second, fourth)
        made = await filling.concept(partition, "c1", "ask first", f"{CANARY} has the key")
        await filling.concept(partition, "c2", "ask later", "nobody has it", previous_id=made)
        await filling.procedure(partition, "p1", f"write to {CANARY}")
        await filling.procedure(partition, "p2", "write a letter")
        half = CANARY.encode()
        await filling.artifact(partition, "a1", "letter", b"Dear " + half[:9], half[9:] + b"!")
        await filling.artifact(partition, "a2", "list", b"milk, eggs")
        for subject, text in (
            (CANARY.casefold(), "likes sun"),
            ("bo", f"knows {CANARY}"),
            ("rex", "is a dog"),
        ):
            await partition.add(
                tables.summary, subject=subject, text=text, updated_at=partition.now
            )
        for position, text in enumerate((f"Greet {CANARY}", "Greet all")):
            await partition.add(
                tables.instruction,
                job="letters",
                position=position,
                text=text,
                recorded_at=partition.now,
            )
        await filling.link(partition, (Kind.CONCEPT, made), (Kind.EPISODE, third))


async def left(store: Store, namespace: Namespace = HOME) -> Mapping[str, list[str]]:
    """What tells the rows of each table apart, in order."""
    telling = {
        tables.episode: "uid",
        tables.entity: "name",
        tables.fact: "uid",
        tables.concept: "uid",
        tables.procedure: "uid",
        tables.artifact: "uid",
        tables.summary: "subject",
        tables.instruction: "text",
    }
    async with store.reading(namespace) as partition:
        return {
            table.name: sorted(
                (await partition.execute(partition.rows(table, table.c[name]))).scalars()
            )
            for table, name in telling.items()
        }


def raw(store: Store) -> bytes:
    path = store.database.url.path
    if path is None:
        return b""
    names = (path.name, f"{path.name}-wal", f"{path.name}-shm")
    return b"".join(
        path.with_name(name).read_bytes() for name in names if (path.parent / name).exists()
    )


def forms(word: str) -> list[bytes]:
    return [each.encode() for each in (word, word.lower(), word.upper(), word.title())]


async def test_a_subject_is_nowhere_afterwards(store: Store) -> None:
    await fill(store)
    eraser = Eraser(store)
    receipt = await eraser.forget(namespace=HOME, subject=CANARY)
    assert receipt.proved
    assert await left(store) == {
        "episode": ["e1", "e4"],
        "entity": ["Bo", "Lisbon"],
        "fact": ["f3", "f5"],
        "concept": ["c2"],
        "procedure": ["p2"],
        "artifact": ["a2"],
        "summary": ["rex"],
        "instruction": ["Greet all"],
    }
    assert receipt.erased["episode"] == 3
    assert receipt.erased["fact"] == 3
    content = raw(store)
    for form in forms(CANARY) + forms("Quartermaine") + [b"Lisbon in March"]:
        assert form not in content
    if store.database.url.is_sqlite:
        assert 100_000 < receipt.proof.bytes_scanned <= len(content)
        assert receipt.proof.fragments > 10
    assert receipt.proof.rows_scanned > 0
    assert not receipt.proof.live


async def test_chains_counters_and_indexes_are_right_afterwards(store: Store) -> None:
    await fill(store)
    await Eraser(store).forget(namespace=HOME, subject=CANARY)
    async with store.reading(HOME) as partition:
        episode = tables.episode.c
        query = partition.rows(tables.episode, episode.id, episode.previous_id, episode.length)
        first, second = (await partition.execute(query.order_by(episode.id))).all()
        assert second.previous_id == first.id
        fact = tables.fact.c
        query = partition.rows(tables.fact, fact.supersedes_id).where(fact.uid == "f3")
        assert (await partition.execute(query)).scalar_one() is None
        space = tables.namespace
        row = (await partition.execute(sa.select(space).where(space.c.id == partition.id))).one()
        assert (row.episodes, row.terms) == (2, first.length + second.length)
        assert row.changes > 0
        sql = lexical_index.match(partition.is_sqlite)
        for word, numbers in (("dog", [second.id * 8]), ("lisbon", []), ("roof", [first.id * 8])):
            token = lexical_index.token(partition.id, Kind.EPISODE, word)
            found = await partition.raw(sql, {"token": token})
            assert found.scalars().all() == numbers
        for table in (tables.embedding, tables.recalled):
            kept = (await partition.execute(partition.rows(table))).all()
            assert len(kept) == 2 + 2 + 1 + 1  # episodes, facts, a concept, a procedure


async def test_episodes_go_with_what_only_they_say(store: Store) -> None:
    await fill(store)
    async with store.writing(HOME) as partition:
        await filling.concept(partition, "c3", "pets", "Bo said: Bo has a dog called Rex. Good.")
        await filling.episode(partition, "e6", "You said: bo has  a dog called rex.")
    receipt = await Eraser(store).forget(namespace=HOME, episodes=["e4", "nowhere"])
    found = await left(store)
    assert found["episode"] == ["e1", "e2", "e3", "e5", "e6"]
    assert found["fact"] == ["f1", "f2", "f4", "f5"]
    assert found["concept"] == ["c1", "c2"]
    # It says the same and was not asked for.
    assert receipt.proof.live == {"episode": 1}


async def test_everything_goes_with_the_name_of_the_namespace(store: Store) -> None:
    secret = Namespace("users/quartermaine")
    below = Namespace("users/quartermaine/letters")
    other = Namespace("users/quartermaine", tenant="other")
    for each in (secret, below, other):
        await fill(store, each)
    receipt = await Eraser(store).forget(namespace=secret, everything=True)
    assert receipt.proved
    assert receipt.erased["episode"] == 10
    assert await store.namespaces(Namespace("users")) == ()
    assert not any(each for each in (await left(store, secret)).values())
    assert len((await left(store, other))["episode"]) == 5
    await Eraser(store).forget(namespace=Namespace(tenant="other"), everything=True)
    content = raw(store)
    for form in [*forms("quartermaine"), b"users/", b"repaired"]:
        assert form not in content
    # One of that name begins anew, and can be erased again; what was erased stays erased.
    async with store.writing(secret) as partition:
        assert await is_erased(partition, idempotency_key="key of e1")
        assert not await is_erased(partition, idempotency_key="key of e9")
        await filling.episode(partition, "e9", "Quartermaine is back.")
    await Eraser(store).forget(namespace=secret, everything=True)
    async with store.writing(secret) as partition:
        assert await is_erased(partition, idempotency_key="key of e1")
        assert await is_erased(partition, idempotency_key="key of e9")


async def test_children_are_forgotten_too_and_neighbours_are_not(store: Store) -> None:
    for path in ("team", "team/a", "team/a/b", "teams"):
        await fill(store, Namespace(path))
    await fill(store, Namespace("team", tenant="other"))
    receipt = await Eraser(store).forget(namespace=Namespace("team"), subject=CANARY)
    assert receipt.erased["episode"] == 9
    assert receipt.proved  # others have the same words: no trace, and nobody is told
    for namespace in (Namespace("teams"), Namespace("team", tenant="other")):
        assert len((await left(store, namespace))["episode"]) == 5


async def test_tombstones_keep_it_away(store: Store) -> None:
    await fill(store)
    await Eraser(store).forget(namespace=HOME, subject=CANARY, reason=f"{CANARY} asked for it")
    async with store.reading(HOME) as partition:
        assert await is_erased(partition, idempotency_key="key of e2")
        assert not await is_erased(partition, idempotency_key="key of e1")
        rows = (await partition.execute(partition.rows(tables.tombstone))).all()
    assert {"e2", "e3", "e5", "f1", "f2", "f4", "c1", "p1", "a1"} <= {row.uid for row in rows}
    assert {row.reason for row in rows} == {"[erased]"}


async def test_other_names_of_a_subject_count(store: Store) -> None:
    async with store.writing(HOME) as partition:
        her = await filling.entity(partition, "Elizabeth Moon")
        await filling.fact(partition, "f1", her, "also_known_as", "Betty")
        await filling.episode(partition, "e1", "Betty came by.")
        await filling.episode(partition, "e2", "Betty's sister Bettina came by.")
        await filling.episode(partition, "e3", "Bettina came by.")
    receipt = await Eraser(store).forget(namespace=HOME, subject="elizabeth  moon")
    assert (await left(store))["episode"] == ["e3"]
    assert receipt.erased["entity"] == 1


async def test_what_is_ambiguous_is_said(store: Store) -> None:
    async with store.writing(HOME) as partition:
        await filling.entity(partition, "May Whitman")
        await filling.episode(partition, "e1", "May came by.")
        await filling.episode(partition, "e2", "You may come by.")
        await filling.episode(partition, "e3", "The mayor came by.")
    receipt = await Eraser(store).forget(namespace=HOME, subject="May")
    assert (await left(store))["episode"] == ["e3"]
    notes = " ".join(receipt.notes)
    assert "May Whitman" in notes
    assert "1 of the rows" in notes


async def test_bad_requests_change_nothing(store: Store) -> None:
    await fill(store)
    eraser = Eraser(store)
    for asked, code in (
        ({}, "nothing_to_forget"),
        ({"subject": " "}, "bad_subject"),
        ({"subject": "?!"}, "bad_subject"),
        ({"subject": "x" * 501}, "bad_subject"),
    ):
        with pytest.raises(InputError) as caught:
            await eraser.forget(namespace=HOME, **asked)  # type: ignore[arg-type]
        assert caught.value.code == code
    receipt = await eraser.forget(namespace=Namespace("nowhere"), subject=CANARY)
    assert (receipt.rows, receipt.proof.files) == (0, ())
    assert await store.namespaces(Namespace("nowhere")) == ()
    assert len((await left(store))["episode"]) == 5


@pytest.mark.parametrize("name", ["'; drop table episode; --", "%", "100%_", "*", "a\\", "(?i)x"])
async def test_a_name_is_no_pattern_and_no_sql(store: Store, name: str) -> None:
    await fill(store)
    eraser = Eraser(store)
    if any(map(str.isalnum, name)):
        await eraser.forget(namespace=HOME, subject=name)
    else:
        with pytest.raises(InputError):
            await eraser.forget(namespace=HOME, subject=name)
    assert len((await left(store))["episode"]) == 5


async def test_a_reader_holds_the_files_up_and_the_next_call_finishes(
    tmp_path: Path, store: Store
) -> None:
    path = store.database.url.path
    if path is None:
        pytest.skip("of files")
    await fill(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from episode").fetchone()
        with pytest.raises(RunError) as caught:
            await Eraser(store, seconds=0.5).forget(namespace=HOME, subject=CANARY)
        assert caught.value.code == "erasure_pending"
        assert (await left(store))["episode"] == ["e1", "e4"]  # gone already
        with pytest.raises(RunError):  # and it can be said again
            await Eraser(store, seconds=0.5).finish()
    # As if by another process, which knows nothing but the mark.
    proof = await Eraser(store).finish()
    assert proof is not None
    assert proof.bytes_scanned > 0
    for form in forms(CANARY):
        assert form not in raw(store)
    assert await Eraser(store).finish() is None


@dataclass
class Shelf:
    """Another place that tells of people."""

    texts: list[str]
    url: None = None
    asked: list[Sought] = field(default_factory=list)

    async def purge(self, sought: Sought) -> Mapping[str, int]:
        self.asked.append(sought)
        kept = [each for each in self.texts if not sought.found_in(each)]
        gone, self.texts = len(self.texts) - len(kept), kept
        return {"shelf": gone}


async def test_other_places_are_looked_through(store: Store) -> None:
    await fill(store)
    shelf = Shelf([f"run for {CANARY}", "then: I moved  to LISBON in march. Yes.", "Rex is a dog"])
    receipt = await Eraser(store, [shelf]).forget(namespace=HOME, subject=CANARY)
    assert receipt.elsewhere == {"shelf": 2}
    assert shelf.texts == ["Rex is a dog"]
    # It is asked even where memory knows nothing of the subject.
    shelf.texts.append("Nobody Known")
    receipt = await Eraser(store, [shelf]).forget(namespace=Namespace("new"), subject="Nobody")
    assert (receipt.elsewhere, receipt.rows) == ({"shelf": 1}, 0)


async def test_a_store_with_nothing_of_the_subject_is_left_as_it_is(store: Store) -> None:
    await fill(store)
    before = await left(store)
    receipt = await Eraser(store, [Shelf([])]).forget(namespace=HOME, subject="Nobody Known")
    assert receipt.rows == 0
    assert await left(store) == before
    assert await Eraser(store).finish() is None


_CRASHING = """
import asyncio, os, signal, sys
from treadle.core.database import Database, DatabaseUrl
from treadle.memory.erasure.eraser import Eraser
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store

class Crash:
    url = None
    left = int(sys.argv[3])
    async def purge(self, sought):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return {}

async def main():
    store = Store(Database(DatabaseUrl.parse(sys.argv[1])))
    await Eraser(store, [Crash()]).forget(namespace=Namespace("home"), subject=sys.argv[2])

asyncio.run(main())
"""


@pytest.mark.timeout(90)  # a process that starts takes its time on a busy machine
@pytest.mark.parametrize("at", [1, 2])
async def test_a_crash_in_the_middle_is_finished_by_the_next_call(
    tmp_path: Path, store: Store, at: int
) -> None:
    if not store.database.url.is_sqlite:
        pytest.skip("of files")
    await fill(store)
    await store.database.close()
    # Before the rows are erased, and after that, before the files are clean.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CRASHING, str(store.database.url), CANARY, str(at)
    )
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    gone = len((await left(store))["episode"]) == 2
    assert gone is (at == 2)
    # Of something else: what was begun is finished with it.
    eraser = Eraser(store)
    if not gone:
        await eraser.forget(namespace=HOME, subject=CANARY)
    else:
        await eraser.forget(namespace=HOME, episodes=["nothing"])
    for form in forms(CANARY):
        assert form not in raw(store)
    assert await eraser.finish() is None


async def test_what_the_ledger_keeps_of_repetitions_goes_with_the_last_episode(
    store: Store,
) -> None:
    memory = Memory(store.database, namespace=HOME)
    for text, when in (
        ("Carol lives in Rome", "2020-01-01"),
        ("Carol still lives in Rome", "2022-01-01"),
    ):
        await memory.remember(text, actor="user", occurred_at=when)
    await memory.work()
    async with store.reading(HOME) as partition:
        uids = list(
            (await partition.execute(partition.rows(tables.episode, tables.episode.c.uid)))
            .scalars()
            .all()
        )
        facts = (await partition.execute(partition.rows(tables.fact, tables.fact.c.id))).all()
    assert len(facts) > 1  # one, and its repetition
    receipt = await memory.forget(episodes=uids)
    assert receipt.proved
    assert (await left(store))["fact"] == []
    assert b"Carol lives in Rome" not in raw(store)


async def test_an_alias_that_is_untrusted_or_taken_back_erases_nobody_else(store: Store) -> None:
    memory = Memory(store.database, namespace=HOME)
    await memory.facts.tell("Bob", "lives_in", "Oslo", namespace=HOME)
    await memory.facts.tell("Ann", "nickname", "Bob", namespace=HOME, taint=frozenset({"web:evil"}))
    await memory.forget(subject="Ann")
    told = await memory.facts.tell("Ann", "nickname", "Bob", namespace=HOME)
    await memory.facts.retract(told.fact.id, namespace=HOME)
    await memory.forget(subject="Ann")
    assert [each.object for each in await memory.facts.facts("Bob", namespace=HOME)] == ["Oslo"]
    assert not await memory.facts.facts("Ann", namespace=HOME)


async def test_a_reason_keeps_no_part_of_the_name(store: Store) -> None:
    await fill(store)
    reason = f"Miss {CANARY.split()[-1]} asked for it"
    await Eraser(store).forget(namespace=HOME, subject=CANARY, reason=reason)
    async with store.reading(HOME) as partition:
        rows = (await partition.execute(partition.rows(tables.tombstone))).all()
    assert {row.reason for row in rows} == {"[erased]"}


async def test_the_summary_of_another_is_made_again(store: Store) -> None:
    memory = Memory(store.database, namespace=HOME)
    await memory.remember("Carol lives in Rome", actor="user")
    await memory.remember("Bob Canary and Carol had lunch", actor="user")
    await memory.work()
    await memory.forget(subject="Bob Canary")
    await memory.work()
    assert (await left(store))["summary"] == ["carol"]


async def test_whom_an_erased_namespace_knew_is_sought_elsewhere_too(store: Store) -> None:
    async with store.writing(Namespace("work/old")) as partition:
        ada = await filling.entity(partition, "Ada Lindqvist")
        await filling.entity(partition, "Grete Hermann")
        await filling.entity(partition, "the roof")
        await filling.fact(partition, "f1", ada, "likes", "tea")
    for kept in (Namespace("work"), Namespace("work/old", tenant="other")):
        async with store.writing(kept) as partition:
            await filling.entity(partition, "Grete Hermann" if kept.path == "work" else "Ada")
    shelf = Shelf(["ask ada lindqvist", "Grete Hermann called", "the roof leaks", "other"])
    await Eraser(store, [shelf]).forget(namespace=Namespace("work/old"), everything=True)
    # Of her something is known in a namespace that stays; a word that stands anywhere is no name.
    assert shelf.texts == ["Grete Hermann called", "the roof leaks", "other"]
    await Eraser(store, [shelf]).forget(namespace=Namespace(), everything=True)
    assert shelf.texts == ["the roof leaks", "other"]


@pytest.mark.timeout(120)  # millions of comparisons, on a machine that may be busy
async def test_long_texts_are_compared_as_short_ones_are(store: Store) -> None:
    long = "".join(f"{number} herons stood in the water. " for number in range(12_000))
    async with store.writing(HOME) as partition:
        await filling.episode(partition, "long", long)
        await filling.episode(partition, "quote", f"She wrote: {long[1000:2000]}")
        await filling.concept(partition, "c", "herons", long[3000:3400])
        many = [f"{number} bottles stood upon the wall, all green ones" for number in range(80)]
        for number, text in enumerate(many):
            await filling.episode(partition, f"n{number}", text)
    wanted = ["long", *(f"n{number}" for number in range(80))]
    receipt = await Eraser(store).forget(namespace=HOME, episodes=wanted)
    assert receipt.erased["concept"] == 1
    assert (await left(store))["episode"] == ["quote"]
    assert receipt.proof.live == {"episode": 1}

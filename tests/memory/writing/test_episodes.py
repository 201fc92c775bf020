"""Remembering: once, durable, in order, and nothing that cannot be kept."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine, event

from treadle.core.errors import InputError
from treadle.memory import lexical_index, tables
from treadle.memory.kinds import Kind, Origin
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.text import terms
from treadle.memory.writing.accepted import MOST_BYTES
from treadle.memory.writing.draft import Draft
from treadle.memory.writing.episodes import Episodes
from treadle.memory.writing.facts import Facts
from treadle.testing import FakeClock

ALICE = Namespace("users/alice")


@pytest.fixture
def episodes(store: Store) -> Episodes:
    return Episodes(store, ("extract", "embed"))


async def _counts(store: Store) -> tuple[int, int, int, int]:
    """Episodes, what the namespace counts, terms that it counts, errands."""
    async with store.reading(ALICE) as partition:
        rows = (await partition.execute(partition.rows(tables.episode))).all()
        errands = (await partition.execute(partition.rows(tables.outbox))).all()
        counters = await partition.execute(
            sa.select(tables.namespace).where(tables.namespace.c.id == partition.id)
        )
        counted = counters.one()
    assert sum(row.length for row in rows) == counted.terms
    return len(rows), counted.episodes, counted.terms, len(errands)


async def test_an_episode_is_kept_as_it_is(store: Store, episodes: Episodes) -> None:
    text = "Ünïcode 織機 ' ; -- \U0001f600\n\ttwo lines"
    made = await episodes.remember(
        text,
        namespace=ALICE,
        actor="alice",
        source="chat.txt",
        origin=Origin.USER,
        thread="t",
        occurred_at="2023-05-08T13:56:00+02:00",
        metadata={"a": [1, None, {"b": "\U0001f600"}]},
        taint=frozenset({"fetch_url"}),
    )
    assert made.outcome == "new"
    kept = await episodes.get(made.episode.id, namespace=ALICE)
    assert kept == made.episode
    assert kept.text == text
    assert kept.occurred_at.isoformat() == "2023-05-08T11:56:00+00:00"
    assert kept.metadata["a"] == [1, None, {"b": "\U0001f600"}]
    assert kept.taint == {"fetch_url"}
    assert await _counts(store) == (1, 1, len(terms(text)), 2)


async def test_what_was_said_can_be_found_by_its_terms(store: Store, episodes: Episodes) -> None:
    await episodes.remember("The loom is in the cellar", namespace=ALICE)
    async with store.reading(ALICE) as partition:
        sql = lexical_index.match(partition.is_sqlite)
        token = lexical_index.token(partition.id, Kind.EPISODE, terms("loom")[0])
        assert len((await partition.raw(sql, {"token": token})).all()) == 1


async def test_a_turn_follows_the_last_one_of_its_thread(episodes: Episodes) -> None:
    first = await episodes.remember("one", namespace=ALICE, thread="a")
    await episodes.remember("elsewhere", namespace=ALICE, thread="b")
    second = await episodes.remember("two", namespace=ALICE, thread="a")
    note = await episodes.remember("a note", namespace=ALICE)
    named = await episodes.remember("x", namespace=ALICE, thread="a", previous=first.episode.id)
    assert second.episode.previous == first.episode.id
    assert note.episode.previous is None
    assert named.episode.previous == first.episode.id
    assert [each.text for each in await episodes.of_thread("a", namespace=ALICE)] == [
        "one",
        "two",
        "x",
    ]
    with pytest.raises(InputError, match="unknown_episode"):
        await episodes.remember("y", namespace=ALICE, previous="mem_none")


async def test_a_turn_takes_eight_statements_however_many_there_are(
    store: Store, episodes: Episodes
) -> None:
    counted: list[str] = []
    await episodes.remember("first", namespace=ALICE, thread="t")
    await store.database.open()

    def count(*given: object) -> None:
        counted.append(str(given[2]))

    event.listen(Engine, "before_cursor_execute", count)
    for number in range(5):
        counted.clear()
        text = f"Turn {number} is about the loom. It has several sentences. They are not short."
        await episodes.remember(text, namespace=ALICE, thread="t", idempotency_key=str(number))
        assert 0 < len(counted) <= 8, counted
    event.remove(Engine, "before_cursor_execute", count)


async def test_yes_twice_is_two_answers(store: Store, episodes: Episodes) -> None:
    for _ in range(2):
        for origin in (Origin.USER, Origin.ASSISTANT):
            made = await episodes.remember("Yes.", namespace=ALICE, thread="a", origin=origin)
            assert made.outcome == "new"
    assert (await _counts(store))[0] == 4


async def test_a_turn_at_the_same_time_is_one(store: Store, episodes: Episodes) -> None:
    outcomes = [
        (
            await episodes.remember(
                "Yes.", namespace=ALICE, thread="a", actor=actor, occurred_at=when
            )
        ).outcome
        for actor, when in (("x", 1.0), ("x", 1.0), ("y", 1.0), ("x", 2.0))
    ]
    assert outcomes == ["new", "duplicate", "new", "new"]


@pytest.mark.parametrize(
    "again",
    [
        "I live in Paris.",
        "  i live in\nParis",
        "I live in Paris!",
    ],
)
async def test_a_note_in_nearly_the_same_words_is_one(
    store: Store, episodes: Episodes, again: str
) -> None:
    first = await episodes.remember("I live in Paris.", namespace=ALICE)
    second = await episodes.remember(again, namespace=ALICE)
    assert second.outcome == "duplicate"
    assert second.episode == first.episode
    assert (await _counts(store))[:2] == (1, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I live in Paris", "I live in Rome"),
        ("I live in Paris", "I do not live in Paris"),
        ("I live in Paris", "I don't live in Paris"),
        ("I live in Paris", "I live in Paris?"),
        ("I like tea", "You like tea"),
        ("The price is 35", "The price is 3.5"),
        ("It must be < 5", "It must be > 5"),
        ("I write C#", "I write C"),
        ("I do not just drink tea", "I do not drink tea"),
        ("Load is 10⁵ volts", "Load is 105 volts"),
        ("My password is Abc", "My password is abc"),
        ("The price is 5", "The price is -5"),
        ("The price is $5", "The price is 5%"),
        ("It is 10:30", "It is 1030"),
        ("I take vitamin A", "I take vitamin"),
        ("The light is on", "The light is off"),
        ("Anna is Bob's sister", "Bob is Anna's sister"),
        ("before lunch", "after lunch"),
        ("!!", "??"),
        ("\U0001f600", "\U0001f622"),
    ],
)
async def test_what_differs_in_meaning_is_kept(episodes: Episodes, one: str, other: str) -> None:
    await episodes.remember(one, namespace=ALICE)
    assert (await episodes.remember(other, namespace=ALICE)).outcome == "new"


async def test_a_note_of_another_time_actor_or_source_is_another(episodes: Episodes) -> None:
    await episodes.remember("The build is green", namespace=ALICE, occurred_at=1.0)
    for more in ({"occurred_at": 2.0}, {"actor": "bob"}, {"source": "ci"}):
        made = await episodes.remember("The build is green", namespace=ALICE, **more)  # type: ignore[arg-type]
        assert made.outcome == "new"


async def test_what_a_tool_says_twice_in_a_thread_is_one(episodes: Episodes) -> None:
    outcomes = [
        (
            await episodes.remember("42 files", namespace=ALICE, thread="t", origin=Origin.TOOL)
        ).outcome
        for _ in range(2)
    ]
    assert outcomes == ["new", "duplicate"]


async def test_namespaces_do_not_know_of_each_other(episodes: Episodes) -> None:
    for namespace in (ALICE, Namespace("users/bob"), Namespace("users/alice", tenant="other")):
        made = await episodes.remember("I live in Paris", namespace=namespace, idempotency_key="k")
        assert made.outcome == "new"


async def test_a_key_stands_for_one_text(store: Store, episodes: Episodes) -> None:
    first = await episodes.remember("one", namespace=ALICE, thread="t", idempotency_key="k")
    again = await episodes.remember("one", namespace=ALICE, thread="t", idempotency_key="k")
    assert (again.outcome, again.episode) == ("duplicate", first.episode)
    with pytest.raises(InputError) as caught:
        await episodes.remember("One", namespace=ALICE, thread="t", idempotency_key="k")
    assert caught.value.code == "idempotency_conflict"
    assert (await _counts(store))[:2] == (1, 1)


async def test_a_duplicate_takes_its_key(
    store: Store, episodes: Episodes, clock: FakeClock
) -> None:
    first = await episodes.remember("I live in Paris", namespace=ALICE, idempotency_key="k")
    second = await episodes.remember("I live in Paris.", namespace=ALICE, idempotency_key="l")
    assert (second.outcome, second.episode) == ("duplicate", first.episode)
    facts = Facts(store)
    said = [first.episode.id]
    await facts.tell("user", "lives_in", "Paris", namespace=ALICE, sources=said)
    clock.advance(10)
    await facts.tell("user", "lives_in", "Rome", namespace=ALICE)
    # It was overtaken: a new message would be news, one that is sent again is not.
    again = await episodes.remember("I live in Paris.", namespace=ALICE, idempotency_key="l")
    assert (again.outcome, again.episode) == ("duplicate", first.episode)
    with pytest.raises(InputError, match="idempotency_conflict"):
        await episodes.remember("I live in Oslo", namespace=ALICE, idempotency_key="l")
    assert (await episodes.remember("I live in Paris.", namespace=ALICE)).outcome == "new"


async def test_many_are_kept_together_or_not_at_all(store: Store, episodes: Episodes) -> None:
    made = await episodes.remember_many(
        [Draft(f"turn {number}", thread="t") for number in range(5)], namespace=ALICE
    )
    ids = [each.episode.id for each in made]
    assert [each.episode.previous for each in made] == [None, *ids[:-1]]
    before = await _counts(store)
    with pytest.raises(InputError, match="idempotency_conflict"):
        await episodes.remember_many(
            [Draft("a", idempotency_key="k"), Draft("b", idempotency_key="k")], namespace=ALICE
        )
    assert await _counts(store) == before


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"text": ""}, "empty_text"),
        ({"text": " \n\t "}, "empty_text"),
        ({"text": "x" * (MOST_BYTES + 1)}, "text_too_long"),
        ({"text": "é" * (MOST_BYTES // 2 + 1)}, "text_too_long"),
        ({"text": "x" * 10_000_000}, "text_too_long"),
        ({"text": "\x7fELF\0\0"}, "bad_text"),
        ({"text": "half \ud800 of it"}, "bad_text"),
        ({"text": b"bytes"}, "bad_text"),
        ({"text": "x", "actor": "a\0"}, "bad_text"),
        ({"text": "x", "thread": "t" * 501}, "bad_text"),
        ({"text": "x", "idempotency_key": "\udfff"}, "bad_text"),
        ({"text": "x", "occurred_at": "-1000-01-01"}, "bad_date"),
        ({"text": "x", "occurred_at": "yesterday"}, "bad_date"),
        ({"text": "x", "occurred_at": float("nan")}, "bad_date"),
        ({"text": "x", "occurred_at": 1e18}, "bad_date"),
        ({"text": "x", "metadata": {"a": object()}}, "bad_metadata"),
        ({"text": "x", "metadata": {"a": float("inf")}}, "bad_metadata"),
        ({"text": "x", "metadata": {1: 2}}, "bad_metadata"),
        ({"text": "x", "metadata": {"a": "b" * 70_000}}, "bad_metadata"),
    ],
)
async def test_what_cannot_be_kept_is_named(
    store: Store, episodes: Episodes, values: dict[str, object], code: str
) -> None:
    with pytest.raises(InputError) as caught:
        await episodes.remember(namespace=ALICE, **values)  # type: ignore[arg-type]
    assert caught.value.code == code
    async with store.reading(ALICE) as partition:
        assert (await partition.execute(partition.rows(tables.episode))).all() == []


async def test_the_longest_text_is_kept_whole(episodes: Episodes) -> None:
    text = ("word " * (MOST_BYTES // 5))[:MOST_BYTES]
    made = await episodes.remember(text, namespace=ALICE)
    assert (await episodes.get(made.episode.id, namespace=ALICE)).text == text


@pytest.mark.parametrize("when", ["9999-12-31", "0001-01-01", "2100-01-01T00:00:00Z"])
async def test_far_dates_and_plans_are_kept(episodes: Episodes, when: str) -> None:
    made = await episodes.remember("x", namespace=ALICE, occurred_at=when)
    assert made.episode.occurred_at.isoformat().startswith(when[:10])


async def test_the_clock_may_jump(episodes: Episodes, clock: FakeClock) -> None:
    recorded = []
    for step in (0.0, 5.0, -86_400.0, 0.0):
        clock.jump(step)
        made = await episodes.remember(f"at {step} {len(recorded)}", namespace=ALICE, thread="t")
        recorded.append(made.episode.recorded_at)
    assert recorded == sorted(set(recorded))

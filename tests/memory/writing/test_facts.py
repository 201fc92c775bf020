"""Facts: what held when, what was known when, and that nothing is lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from treadle.core.errors import InputError
from treadle.memory.fact import Fact
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.episodes import Episodes
from treadle.memory.writing.facts import Facts
from treadle.testing import FakeClock

ALICE = Namespace("users/alice")


@pytest.fixture
def facts(store: Store) -> Facts:
    return Facts(store)


def _objects(found: tuple[Fact, ...]) -> list[str]:
    return [fact.object for fact in found]


async def test_a_move_closes_and_keeps_what_was(facts: Facts, clock: FakeClock) -> None:
    first = await facts.tell("Alice", "lives in", "Paris", namespace=ALICE, valid_from="2010-01-01")
    clock.advance(100)
    second = await facts.tell("alice", "lives_in", "Rome", namespace=ALICE, valid_from="2020-05-01")
    assert (first.outcome, second.outcome) == ("new", "new")
    assert second.closed == (first.fact.id,)
    assert second.fact.text == "alice lives in Rome"
    assert _objects(await facts.facts("ALICE", namespace=ALICE)) == ["Rome"]
    assert _objects(await facts.facts("Alice", namespace=ALICE, as_of="2015-01-01")) == ["Paris"]
    assert await facts.facts("Alice", namespace=ALICE, as_of="2009-12-31") == ()
    paris, rome = await facts.timeline("Alice", namespace=ALICE)
    assert paris.valid_to == rome.valid_from == datetime(2020, 5, 1, tzinfo=UTC)
    assert paris.supersedes == first.fact.id


async def test_a_fact_is_known_from_the_moment_at_which_it_was_recorded(
    facts: Facts, clock: FakeClock
) -> None:
    for number in range(60):
        clock.jump(1e-3 + 4.77e-7)
        told = await facts.tell(f"loom {number}", "is", "red", namespace=ALICE)
        taken = await facts.retract(told.fact.id, namespace=ALICE)
        since, until = told.fact.recorded_at, taken.retired_at
        known = await facts.facts(f"loom {number}", namespace=ALICE, known_at=since)
        assert _objects(known) == ["red"], number
        assert await facts.facts(f"loom {number}", namespace=ALICE, known_at=until) == (), number


async def test_what_was_known_can_be_asked_for(facts: Facts, clock: FakeClock) -> None:
    first = await facts.tell("a", "lives_in", "Paris", namespace=ALICE, valid_from="2010-01-01")
    clock.advance(100)
    second = await facts.tell("a", "lives_in", "Rome", namespace=ALICE, valid_from="2015-01-01")
    clock.advance(100)
    await facts.retract(second.fact.id, namespace=ALICE)
    then = first.fact.recorded_at
    assert _objects(await facts.facts("a", namespace=ALICE, as_of="2020-01-01", known_at=then)) == [
        "Paris"
    ]
    later = second.fact.recorded_at
    assert _objects(
        await facts.facts("a", namespace=ALICE, as_of="2020-01-01", known_at=later)
    ) == ["Rome"]
    # What it had closed holds again.
    assert _objects(await facts.facts("a", namespace=ALICE, as_of="2020-01-01")) == ["Paris"]
    assert len(await facts.timeline("a", namespace=ALICE)) == 1
    (known,) = await facts.timeline("a", namespace=ALICE, known_at=then)
    assert known == first.fact or (known.valid_to is None and known.id == first.fact.id)


async def test_an_older_fact_told_later_closes_nothing(facts: Facts) -> None:
    await facts.tell("a", "lives_in", "Rome", namespace=ALICE, valid_from="2020-01-01")
    await facts.tell("a", "lives_in", "Paris", namespace=ALICE, valid_from="2010-01-01")
    assert _objects(await facts.facts("a", namespace=ALICE)) == ["Rome"]
    assert _objects(await facts.facts("a", namespace=ALICE, as_of="2012-01-01")) == ["Paris"]


@pytest.mark.parametrize("again", ["Zürich", "zurich", "the  ZÜRICH", "“Zurich”"])
async def test_the_same_in_other_letters_is_one(facts: Facts, again: str) -> None:
    first = await facts.tell("a", "lives_in", "Zürich", namespace=ALICE)
    second = await facts.tell("A", "Lives-In", again, namespace=ALICE)
    assert second.outcome == "duplicate"
    assert second.fact.id == first.fact.id
    assert len(await facts.timeline(namespace=ALICE)) == 1


@pytest.mark.parametrize("again", ["Zürich", "zurich", "the  ZÜRICH", "“Zurich”"])
@pytest.mark.parametrize("gone", ["closed", "ended", "taken back"])
async def test_what_holds_no_more_makes_nothing_a_duplicate(
    facts: Facts, clock: FakeClock, again: str, gone: str
) -> None:
    first = await facts.tell("a", "lives_in", "Zürich", namespace=ALICE)
    clock.advance(10)
    if gone == "closed":
        await facts.tell("a", "lives_in", "Rome", namespace=ALICE)
    elif gone == "ended":
        await facts.end("a", "lives_in", "Zürich", namespace=ALICE)
    else:
        await facts.retract(first.fact.id, namespace=ALICE)
    clock.advance(10)
    back = await facts.tell("a", "lives_in", again, namespace=ALICE)
    assert back.outcome == "revived"
    assert _objects(await facts.facts("a", namespace=ALICE)) == [" ".join(again.split())]
    assert (await facts.tell("a", "lives_in", "Zürich", namespace=ALICE)).outcome == "duplicate"


async def test_saying_it_again_revives_what_was_closed(facts: Facts, clock: FakeClock) -> None:
    for place in ("Paris", "Rome"):
        await facts.tell("a", "lives_in", place, namespace=ALICE)
        clock.advance(1000)
    back = await facts.tell("a", "lives_in", "Paris", namespace=ALICE)
    assert back.outcome == "revived"
    assert _objects(await facts.facts("a", namespace=ALICE)) == ["Paris"]
    assert _objects(await facts.timeline("a", namespace=ALICE)) == ["Paris", "Rome", "Paris"]


async def test_saying_it_again_revives_what_was_taken_back(facts: Facts, clock: FakeClock) -> None:
    first = await facts.tell("a", "likes", "tea", namespace=ALICE)
    clock.advance(1)
    gone = await facts.retract(first.fact.id, namespace=ALICE)
    assert gone.retired_at is not None
    assert await facts.facts("a", namespace=ALICE) == ()
    clock.advance(1)
    assert (await facts.tell("a", "likes", "tea", namespace=ALICE)).outcome == "revived"
    assert _objects(await facts.facts("a", namespace=ALICE)) == ["tea"]


async def test_several_hold_where_several_can(facts: Facts) -> None:
    for thing in ("tea", "rain", "tea"):
        await facts.tell("a", "likes", thing, namespace=ALICE)
    assert sorted(_objects(await facts.facts("a", "likes", namespace=ALICE))) == ["rain", "tea"]


async def test_the_caller_may_say_how_many_hold(facts: Facts) -> None:
    for day, colour in ((1, "red"), (2, "blue")):
        await facts.tell(
            "wall", "colour", colour, namespace=ALICE, cardinality="one",
            valid_from=datetime(2020, 1, day, tzinfo=UTC),
        )  # fmt: skip
    assert _objects(await facts.facts("wall", namespace=ALICE)) == ["blue"]


async def test_what_ends_is_kept_until_then(facts: Facts, clock: FakeClock) -> None:
    await facts.tell("a", "works_at", "Acme", namespace=ALICE, valid_from="2010-01-01")
    (closed,) = await facts.end("a", "works_at", "ACME", namespace=ALICE, at="2012-01-01")
    assert closed.valid_to == datetime(2012, 1, 1, tzinfo=UTC)
    assert await facts.facts("a", namespace=ALICE) == ()
    assert _objects(await facts.facts("a", namespace=ALICE, as_of="2011-01-01")) == ["Acme"]
    assert await facts.end("a", "works_at", namespace=ALICE) == ()
    assert await facts.end("nobody", "works_at", namespace=ALICE) == ()


async def test_a_closed_fact_is_taken_back_by_its_old_id(facts: Facts) -> None:
    first = await facts.tell("a", "lives_in", "Paris", namespace=ALICE, valid_from="2010-01-01")
    await facts.tell("a", "lives_in", "Rome", namespace=ALICE, valid_from="2020-01-01")
    await facts.retract(first.fact.id, namespace=ALICE)
    assert _objects(await facts.timeline("a", namespace=ALICE)) == ["Rome"]


async def test_what_was_told_since_stays_when_a_fact_is_taken_back(facts: Facts) -> None:
    told = [
        await facts.tell("a", "lives_in", place, namespace=ALICE, valid_from=f"{year}-01-01")
        for place, year in (("Paris", 2010), ("Rome", 2015), ("Kyoto", 2018))
    ]
    await facts.retract(told[1].fact.id, namespace=ALICE)
    spans = [
        (
            fact.object,
            fact.valid_from and fact.valid_from.year,
            fact.valid_to and fact.valid_to.year,
        )
        for fact in await facts.timeline("a", namespace=ALICE)
    ]
    assert spans == [("Paris", 2010, 2018), ("Kyoto", 2018, None)]


async def test_nothing_untrusted_closes_what_is_trusted(facts: Facts) -> None:
    label = frozenset({"fetch_url"})
    await facts.tell("a", "lives_in", "Paris", namespace=ALICE, valid_from="2010-01-01")
    told = await facts.tell(
        "a", "lives_in", "Moscow", namespace=ALICE, valid_from="2020-01-01", taint=label
    )
    assert told.closed == ()
    now = await facts.facts("a", namespace=ALICE)
    assert {(fact.object, fact.taint) for fact in now} == {
        ("Paris", frozenset()),
        ("Moscow", label),
    }
    same = await facts.tell("a", "lives_in", "paris", namespace=ALICE, taint=label)
    assert same.outcome == "duplicate"
    assert same.fact.taint == frozenset()
    await facts.tell("a", "lives_in", "Moscow", namespace=ALICE, valid_from="2021-01-01")
    now = await facts.facts("a", namespace=ALICE)
    assert [(fact.object, fact.taint) for fact in now] == [("Moscow", frozenset())]


async def test_nothing_untrusted_says_when_what_is_trusted_ends(facts: Facts) -> None:
    await facts.tell(
        "a", "works_at", "Evil", namespace=ALICE, valid_from="2090-01-01", taint=frozenset({"web"})
    )
    told = await facts.tell("a", "works_at", "Acme", namespace=ALICE, valid_from="2020-01-01")
    assert told.fact.valid_to is None


async def test_both_halves_of_a_split_fact_are_taken_back(facts: Facts) -> None:
    first = await facts.tell("a", "lives_in", "Paris", namespace=ALICE, valid_from="2020-01-01")
    await facts.tell(
        "a", "lives_in", "Rome", namespace=ALICE, valid_from="2021-01-01", valid_to="2021-06-01"
    )
    await facts.retract(first.fact.id, namespace=ALICE)
    assert _objects(await facts.timeline("a", namespace=ALICE)) == ["Rome"]


async def test_two_names_of_one_person_are_one(facts: Facts) -> None:
    await facts.tell("Al", "likes", "tea", namespace=ALICE)
    await facts.tell("user7", "name", "Alice", namespace=ALICE)
    await facts.tell("user7", "nickname", "Al", namespace=ALICE)
    await facts.tell("Alice", "lives_in", "Paris", namespace=ALICE, valid_from="2010-01-01")
    await facts.tell("user7", "lives_in", "Rome", namespace=ALICE, valid_from="2020-01-01")
    for name in ("user7", "alice", "AL"):
        found = await facts.facts(name, namespace=ALICE)
        assert {"Rome", "tea"} <= set(_objects(found))
        assert "Paris" not in _objects(found)


async def test_a_name_that_two_claim_joins_nobody(facts: Facts) -> None:
    for user in ("user1", "user2"):
        await facts.tell(user, "name", "Alex", namespace=ALICE)
    await facts.tell("Alex", "likes", "tea", namespace=ALICE)
    for user in ("user1", "user2"):
        assert _objects(await facts.facts(user, namespace=ALICE)) == ["Alex"]


async def test_an_untrusted_name_joins_nobody(facts: Facts) -> None:
    await facts.tell("mallory", "name", "Alice", namespace=ALICE, taint=frozenset({"web"}))
    await facts.tell("mallory", "likes", "poison", namespace=ALICE)
    assert await facts.facts("Alice", namespace=ALICE) == ()


async def test_what_is_theirs_is_about_them(facts: Facts) -> None:
    for subject, predicate, obj in (
        ("Ada", "likes", "tea"),
        ("Ada's mother", "lives_in", "Split"),
        ("Adam's mother", "lives_in", "Bonn"),
        ("Rex", "dog_of", "Ada"),
        ("Bob", "likes", "Ada"),
        ("Ada-Lea", "likes", "milk"),
    ):
        await facts.tell(subject, predicate, obj, namespace=ALICE)
    for found in (
        await facts.facts("ada", namespace=ALICE),
        await facts.timeline("Ada", namespace=ALICE),
    ):
        assert {fact.text for fact in found} == {
            "Ada likes tea", "Ada's mother lives in Split", "Ada's dog is called Rex"
        }  # fmt: skip
    assert _objects(await facts.facts("Ada", "lives_in", namespace=ALICE)) == ["Split"]
    assert await facts.facts("Ad", namespace=ALICE) == ()


async def test_the_one_dog_of_somebody_is_known_by_its_name(facts: Facts) -> None:
    await facts.tell("Rex", "dog_of", "Ada", namespace=ALICE)
    await facts.tell("Ada's dog", "dislikes", "thunder", namespace=ALICE)
    dislikes = [
        await facts.facts(name, "dislikes", namespace=ALICE) for name in ("Rex", "Ada's dog")
    ]
    assert [_objects(each) for each in dislikes] == [["thunder"], ["thunder"]]
    await facts.tell("Max", "dog_of", "Ada", namespace=ALICE)
    await facts.tell("Ada's dog", "likes", "bones", namespace=ALICE)
    for name in ("Rex", "Max"):
        assert await facts.facts(name, "likes", namespace=ALICE) == ()
    # One that only was read somewhere is nobody's.
    await facts.tell("Mallory", "cat_of", "Ada", namespace=ALICE, taint=frozenset({"web"}))
    await facts.tell("Ada's cat", "likes", "fish", namespace=ALICE)
    assert await facts.facts("Mallory", "likes", namespace=ALICE) == ()


async def test_a_fact_names_its_sources(store: Store, facts: Facts) -> None:
    episodes = Episodes(store, ())
    ids = [
        (await episodes.remember(text, namespace=ALICE)).episode.id for text in ("one", "two", "x")
    ]
    await facts.tell("a", "lives_in", "Paris", namespace=ALICE, sources=ids[:1], valid_from=1.0)
    told = await facts.tell(
        "a", "lives_in", "Paris", namespace=ALICE, sources=ids[1:2], valid_from=2.0
    )
    assert told.fact.sources == tuple(ids[:2])
    await facts.tell("a", "lives_in", "Rome", namespace=ALICE, sources=ids[2:], valid_from=9.0)
    paris, rome = await facts.timeline("a", namespace=ALICE)
    assert (paris.sources, rome.sources) == (tuple(ids[:2]), tuple(ids[2:]))
    with pytest.raises(InputError, match="unknown_episode"):
        await facts.tell("a", "likes", "tea", namespace=ALICE, sources=["mem_none"])


async def test_the_latest_holds_although_the_clock_went_back(
    facts: Facts, clock: FakeClock
) -> None:
    await facts.tell("a", "lives_in", "Paris", namespace=ALICE)
    clock.jump(-86_400)
    await facts.tell("a", "lives_in", "Rome", namespace=ALICE)
    assert _objects(await facts.facts("a", namespace=ALICE)) == ["Rome"]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"subject": " "}, "empty_text"),
        ({"object": ""}, "empty_text"),
        ({"subject": "a\0"}, "bad_text"),
        ({"predicate": "?!"}, "bad_text"),
        ({"object": "x" * 5000}, "bad_text"),
        ({"valid_from": "2020-01-02", "valid_to": "2020-01-01"}, "bad_interval"),
        ({"valid_from": "-1000-01-01"}, "bad_date"),
        ({"confidence": 2.0}, "bad_fact"),
        ({"cardinality": "few"}, "bad_fact"),
    ],
)
async def test_what_is_no_fact_is_named(facts: Facts, values: dict[str, object], code: str) -> None:
    given = {"subject": "a", "predicate": "likes", "object": "tea", **values}
    with pytest.raises(InputError) as caught:
        await facts.tell(namespace=ALICE, **given)  # type: ignore[arg-type]
    assert caught.value.code == code
    with pytest.raises(InputError, match="unknown_fact"):
        await facts.get("mem_none", namespace=ALICE)

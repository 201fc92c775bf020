"""The extractor: rules in, facts and mentions out, exactly once, from any text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.memory import tables
from treadle.memory.kinds import Origin
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.episodes import EXTRACT, Episodes
from treadle.memory.writing.extraction.rules import found_in
from treadle.memory.writing.extractor import Extractor
from treadle.memory.writing.facts import Facts
from treadle.memory.writing.outbox import Outbox
from treadle.memory.writing.worker import Handler, Worker
from treadle.testing import FakeClock

ALICE = Namespace("users/alice")


class Mind:
    """Remembers, and draws facts at once."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.episodes = Episodes(store)
        self.facts = Facts(store)
        self.clock = clock
        self.outbox = Outbox(store)
        self.worker = Worker(
            self.outbox, {EXTRACT: Handler(Extractor(store).work, finishes=True)}, clock=clock
        )

    async def hears(self, *texts: str, **values: object) -> None:
        for text in texts:
            self.clock.advance(60)
            given = {"namespace": ALICE, "thread": "t", "actor": "Alice", **values}
            await self.episodes.remember(text, **given)  # type: ignore[arg-type]
            await self.worker.work_once()
        assert await self.outbox.counts() == {}

    async def knows(self, subject: str = "Alice", **values: object) -> set[tuple[str, str]]:
        found = await self.facts.facts(subject, namespace=ALICE, **values)  # type: ignore[arg-type]
        return {(fact.predicate, fact.object) for fact in found}


@pytest.fixture
def mind(store: Store, clock: FakeClock) -> Mind:
    return Mind(store, clock)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My name is Alice Smith.", {("name", "Alice Smith")}),
        ("I'm living in Paris and I work at Acme.", {("lives_in", "Paris"), ("works_at", "Acme")}),
        ("I work as a baker.", {("works_as", "baker")}),
        ("I love tea and long walks, but I hate rain.",
         {("likes", "tea"), ("likes", "long walks"), ("dislikes", "rain")}),
        ("My favourite colour is dark blue!", {("favourite_colour", "dark blue")}),
        ("Call me Al.", {("nickname", "Al")}),
        ("I’m severely allergic to peanuts.", {("allergic_to", "peanuts")}),
        ("My birthday is May 5, 1990.", {("birthday", "May 5, 1990")}),
        ("I prefer window seats.", {("prefers", "window seats")}),
        ("I am 32 years old", {("age", "32")}),
        ("If I live in Rome, fine.", set()),
        ("Do I live in Rome?", set()),
        ("I wish I lived in Rome.", set()),
        ("I would like a coffee.", set()),
        ('Bob said "I live in Berlin".', set()),
        ("He said: “I live in Berlin”.", set()),
        ("I don't live in Rome anymore.", set()),
        ("織機は地下室にあります。", set()),
    ],
)  # fmt: skip
def test_what_a_sentence_says(text: str, expected: set[tuple[str, str]]) -> None:
    found = found_in(text, actor="Alice", origin=Origin.USER, spoken_at=1.7e9)
    said = {
        (claim.predicate, claim.object)
        for claim in found.claims
        if claim.subject == "Alice" and claim.how == "holds"
    }
    assert said == expected


def test_a_document_has_no_i() -> None:
    found = found_in("I live in Rome.", actor="", origin=Origin.DOCUMENT, spoken_at=1.7e9)
    assert found.claims == ()


def test_names_titles_and_addresses_are_mentioned() -> None:
    text = (
        "Yesterday Caroline and Dr. Anna van Dyk read “Charlotte’s Web”. "
        "Write to bob.x@example.org or @bobby. The end."
    )
    found = found_in(text, actor="x", origin=Origin.USER, spoken_at=1.7e9)
    assert {(each.name, each.kind) for each in found.mentions} >= {
        ("Caroline", "name"),
        ("Anna van Dyk", "name"),
        ("Charlotte’s Web", "title"),
        ("bob.x@example.org", "email"),
        ("@bobby", "handle"),
    }
    assert not {each.name for each in found.mentions} & {"Yesterday", "The", "Dr"}


async def test_a_life_in_sentences(mind: Mind) -> None:
    await mind.hears("I moved to Paris in 2015.", "I like jazz.", "I moved to Rome in 2020.")
    assert await mind.knows() == {("lives_in", "Rome"), ("likes", "jazz")}
    assert await mind.knows(as_of="2017-01-01") == {("lives_in", "Paris")}
    await mind.hears("I no longer like jazz.", "I used to live in Oslo, but now I live in Bergen.")
    assert await mind.knows() == {("lives_in", "Bergen")}
    await mind.hears("I hate rain.", "I love rain.")
    assert ("dislikes", "rain") not in await mind.knows()
    assert ("likes", "rain") in await mind.knows()


async def test_an_older_letter_that_is_read_later_changes_nothing_now(mind: Mind) -> None:
    await mind.hears("I live in Rome.", occurred_at="2022-01-01")
    await mind.hears("I live in Paris.", occurred_at="2019-01-01")
    assert await mind.knows() == {("lives_in", "Rome")}
    assert await mind.knows(as_of="2020-01-01") == {("lives_in", "Paris")}


async def test_a_correction_takes_the_place_of_what_was_wrong(mind: Mind) -> None:
    await mind.hears("I live in Porto.", "No, it's actually Lisbon.")
    assert await mind.knows() == {("lives_in", "Lisbon")}
    timeline = await mind.facts.timeline("Alice", namespace=ALICE)
    assert [fact.object for fact in timeline] == ["Lisbon"]


@pytest.mark.parametrize(
    "text", ["No, it's raining", "Sorry, that's my phone", "She said: I live in Madrid",
             "It is false that I live in Lima", "Nobody thinks I live in Kiev"],
)  # fmt: skip
async def test_small_talk_and_hearsay_change_nothing(mind: Mind, text: str) -> None:
    await mind.hears("I live in Paris.", text)
    assert await mind.knows() == {("lives_in", "Paris")}


@pytest.mark.parametrize("text", ["I don't live in Paris", "That is wrong, I never lived in Paris"])
async def test_what_is_denied_holds_no_more(mind: Mind, text: str) -> None:
    await mind.hears("I live in Paris.", text)
    assert await mind.knows() == set()


async def test_an_untrusted_end_is_no_fact(mind: Mind) -> None:
    await mind.hears("I no longer work at Google", taint=frozenset({"web"}))
    assert await mind.knows() == set()


async def test_who_comes_back_lives_there_again(mind: Mind) -> None:
    for city in ("Paris", "Rome", "Paris"):
        await mind.hears(f"I live in {city}.", thread="")
    assert await mind.knows() == {("lives_in", "Paris")}
    timeline = await mind.facts.timeline("Alice", namespace=ALICE)
    assert [fact.object for fact in timeline] == ["Paris", "Rome", "Paris"]


async def test_who_says_it_again_before_it_is_read_lives_there_again(
    mind: Mind, clock: FakeClock
) -> None:
    for city in ("Paris", "Rome", "Paris"):
        clock.advance(60)
        await mind.episodes.remember(f"I live in {city}.", namespace=ALICE, actor="Alice")
    await mind.worker.work_once()
    assert await mind.knows() == {("lives_in", "Paris")}


async def test_others_and_relations(mind: Mind) -> None:
    await mind.hears("My sister Anna lives in Rome.", "Bob is Anna's brother.")
    assert await mind.knows("Anna") == {
        ("lives_in", "Rome"),
        ("sister_of", "Alice"),
        ("brother_of", "Anna"),  # Bob is
    }
    assert await mind.knows("Bob") == {("brother_of", "Anna")}


async def test_taint_goes_with_the_facts_and_overrules_nothing(mind: Mind) -> None:
    await mind.hears("I live in Paris.")
    await mind.hears("I live in Moscow.", "I no longer live in Paris.", taint=frozenset({"web"}))
    found = await mind.facts.facts("Alice", namespace=ALICE)
    assert {(fact.object, fact.taint) for fact in found} == {
        ("Paris", frozenset()),
        ("Moscow", frozenset({"web"})),
    }


async def test_mentions_are_kept(store: Store, mind: Mind) -> None:
    await mind.hears("Caroline met Bob.", "Bob left.")
    async with store.reading(ALICE) as partition:
        mentions = await partition.execute(
            partition.rows(tables.mention, tables.entity.c.name).join(
                tables.entity,
                (tables.entity.c.id == tables.mention.c.entity_id) & partition.owns(tables.entity),
            )
        )
        assert sorted(mentions.scalars()) == ["Alice", "Alice", "Bob", "Bob", "Caroline"]


HOSTILE = [
    "." * 300_000, "I " * 150_000, "Aa " * 100_000, '"' * 300_000, "I used to " * 30_000,
    "my favourite " + "a " * 100_000, "\n" * 300_000, "@a." * 100_000, "A'" * 150_000,
    "I live in " * 30_000, "a" * 10_000_000, "No, it's actually " * 20_000, "“" * 300_000,
    "I don't " * 40_000 + "any more", "1 year ago " * 30_000, "A-" * 150_000, "x@" * 150_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_takes_long(text: str) -> None:
    # The time limit of a test means that it does not hang: quadratic work would take minutes.
    found = found_in(text, actor="x", origin=Origin.USER, spoken_at=1.7e9)
    assert len(found.claims) <= 100
    assert len(found.mentions) <= 200


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(
            ["I", "my", "My", "live", "in", "no longer", "used to", "is", "Anna's", "name", ",",
             ".", "?", '"', "moved to", "since 2015", "sister", "Anna", "’", "\n", "quit", "not"]
        ),
        max_size=30,
    ).map(" ".join)
)  # fmt: skip
def test_any_text_is_read(text: str) -> None:
    for claim in found_in(text, actor="x", origin=Origin.USER, spoken_at=1.7e9).claims:
        assert claim.object.strip()
        assert len(claim.object) <= 80


async def test_who_is_married_no_more_was(mind: Mind) -> None:
    await mind.hears("I'm married to Tom.", "I am allergic to nuts.")
    assert await mind.knows() == {("married_to", "Tom"), ("allergic_to", "nuts")}
    await mind.hears("I'm not married to Tom.", "I'm no longer allergic to nuts.")
    assert await mind.knows() == set()
    assert len(await mind.facts.timeline("Alice", namespace=ALICE)) == 2


async def test_a_pet_is_one_fact_and_what_it_does_is_its_own(mind: Mind) -> None:
    await mind.hears(
        "My dog is called Rex.", "My dog hates thunder.", "I was born in Bari in 1988."
    )
    told = await mind.facts.facts("Alice", namespace=ALICE)
    assert {fact.text for fact in told} == {
        "Alice's dog is called Rex",
        "Alice was born in Bari",
        "Alice was born in 1988",
    }
    assert await mind.knows("Rex") == {("dog_of", "Alice"), ("dislikes", "thunder")}

"""What answers comes before what only asks, stands beside, or held once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from treadle.memory.fact import Fact
from treadle.memory.namespace import Namespace
from treadle.memory.recall import Recaller
from treadle.memory.store import Store
from treadle.memory.writing.draft import Draft
from treadle.memory.writing.episodes import Episodes
from treadle.memory.writing.facts import Facts

HOME = Namespace("home")


async def _texts(store: Store, query: str, as_of: str | None = None) -> Sequence[str]:
    found = await Recaller(store).recall(query, namespace=HOME, as_of=as_of)
    return [hit.text for hit in found.hits]


async def test_the_query_itself_and_what_follows_it_are_no_hits(store: Store) -> None:
    asked = ("what is my dog called?", "hi", "thanks, great", "what is my dog called")
    await Episodes(store).remember_many(
        [Draft("my dog is called Rex"), *(Draft(each, thread="chat") for each in asked)],
        namespace=HOME,
    )
    assert await _texts(store, "What is my dog called?") == ["my dog is called Rex"]


async def test_only_having_asked_before_is_nothing_relevant(store: Store) -> None:
    drafts = [Draft("what is my cat called?", thread="chat"), Draft("hi", thread="chat")]
    await Episodes(store).remember_many(drafts, namespace=HOME)
    assert await _texts(store, "what is my cat called?") == []


async def test_a_statement_comes_before_a_like_question(store: Store) -> None:
    drafts = [Draft("the ladder is in the old shed"), Draft("who borrowed the ladder?")]
    await Episodes(store).remember_many(drafts, namespace=HOME)
    found = await _texts(store, "where is the ladder?")
    assert found == ["the ladder is in the old shed", "who borrowed the ladder?"]


async def test_a_question_of_dates_gives_what_was_then(store: Store) -> None:
    days = {"Went to Lyon by train": "2024-05-20", "Dinner with Karl": "2024-08-20"}
    await Episodes(store).remember_many(
        [Draft(text, occurred_at=day) for text, day in days.items()], namespace=HOME
    )
    assert await _texts(store, "what happened in May 2024?") == ["Went to Lyon by train"]
    assert await _texts(store, "yesterday", as_of="2024-08-21T09:00:00Z") == ["Dinner with Karl"]
    assert await _texts(store, "last week", as_of="2024-05-29") == ["Went to Lyon by train"]
    assert await _texts(store, "last week", as_of="2024-05-24") == ["Went to Lyon by train"]
    assert await _texts(store, "what happened in May 2021?") == []


async def _moved(store: Store) -> None:
    for city, text, day in (
        ("Paris", "I live in Paris", "2020-01-01"),
        ("Rome", "I moved to Rome", "2023-01-01"),
    ):
        (kept,) = await Episodes(store).remember_many(
            [Draft(text, actor="Ada", occurred_at=day)], namespace=HOME
        )
        await Facts(store).tell(
            "Ada", "lives_in", city, namespace=HOME, valid_from=day,
            sources=[kept.episode.id], cardinality="one",
        )  # fmt: skip


async def test_what_holds_comes_before_what_was_superseded(store: Store) -> None:
    await _moved(store)
    found = await Recaller(store).recall("where does Ada live?", namespace=HOME)
    assert "Rome" in found.hits[0].text
    assert any(isinstance(hit.item, Fact) and "Rome" in hit.text for hit in found.hits[:3])
    then = await Recaller(store).recall("where does Ada live?", namespace=HOME, as_of="2021-01-01")
    assert "Paris" in then.hits[0].text


async def test_a_fact_told_in_this_moment_is_found(store: Store) -> None:
    for pet in ("cat", "dog", "owl"):
        await Facts(store).tell("Ada", "owns", pet, namespace=HOME)
    found = await Recaller(store).recall("Ada owns owl", namespace=HOME)
    assert any("owl" in hit.text for hit in found.hits)


@pytest.mark.parametrize("name", ["", "Ada"])
async def test_what_i_ask_about_myself_is_answered_of_me(store: Store, name: str) -> None:
    for other in ("Bob", "Carl", "Dora"):
        await Facts(store).tell(other, "lives_in", "Rome", namespace=HOME)
    said = await Episodes(store).remember("I live in Oslo.", namespace=HOME, actor=name)
    await Facts(store).tell(
        name or "user", "lives_in", "Oslo", namespace=HOME, sources=[said.episode.id]
    )
    await Facts(store).tell(f"{name or 'user'}'s sister", "lives_in", "Bonn", namespace=HOME)
    for other in ("Eve", "Finn", "Gus"):
        await Facts(store).tell(other, "lives_in", "Kyiv", namespace=HOME)
    found = await Recaller(store).recall("where do I live?", namespace=HOME)
    facts = [hit.text for hit in found.hits if isinstance(hit.item, Fact)]
    assert facts[0] == f"{name or 'user'} lives in Oslo"
    assert f"{name or 'user'}'s sister lives in Bonn" in await _texts(
        store, "where does my sister live?"
    )


async def test_who_answers_their_own_question_is_heard(store: Store) -> None:
    drafts = [
        Draft(text, actor="Ada", thread="notes")
        for text in ("what is the door code?", "It's 4711, since Monday.", "hi")
    ]
    await Episodes(store).remember_many(drafts, namespace=HOME)
    assert await _texts(store, "What is the door code?") == ["It's 4711, since Monday."]

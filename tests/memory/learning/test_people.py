"""Summaries: kept up to date from the facts that hold."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from treadle.core.chat import ChatDelta, ChatRequest
from treadle.core.errors import InputError
from treadle.memory import tables
from treadle.memory.learning import People
from treadle.memory.learning.people import MOST_CHARACTERS
from treadle.memory.learning.words import dumped_labels
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.normal_form import name_key
from treadle.testing import FakeClock, ScriptedModel

HERE = Namespace("users/kim")


async def tell(
    store: Store,
    *texts: str,
    subject: str = "Kim",
    to: float | None = None,
    taint: str = "",
) -> int:
    """Facts, as the store has them; gives the number of the last."""
    async with store.writing(HERE) as partition:
        entity, key = tables.entity, name_key(subject)
        await partition.execute(
            partition.insert(entity).values(name=subject, key=key).on_conflict_do_nothing()
        )
        query = partition.rows(entity, entity.c.id).where(entity.c.key == key)
        number, last = (await partition.execute(query)).scalar_one(), 0
        for text in texts:
            last = await partition.add(
                tables.fact, uid=store.new_id(), subject_id=number, predicate="p", object=text,
                object_key=text, text=text, recorded_at=partition.now, terms="", valid_to=to,
                taint=dumped_labels([taint] if taint else []),
            )  # fmt: skip
    return last


async def retire(store: Store, number: int) -> None:
    async with store.writing(HERE) as partition:
        await partition.execute(
            partition.update(tables.fact)
            .where(tables.fact.c.id == number)
            .values(retired_at=partition.now)
        )


async def test_a_summary_follows_the_facts(store: Store, clock: FakeClock) -> None:
    people = People(store)
    assert await people.refresh("Kim", namespace=HERE) is None
    tea = await tell(store, "Kim likes tea")
    until = clock.now() + 100
    await tell(store, "Kim lives in Oslo", to=until, taint="fetch_url")
    first = await people.refresh("kim", namespace=HERE)
    assert first is not None
    assert first.text == "Kim likes tea. Kim lives in Oslo."
    assert (first.version, first.taint) == (1, {"fetch_url"})
    clock.jump(10)
    assert await people.refresh("Kim", namespace=HERE) == first  # nothing has changed
    await tell(store, "Kim has a loom")
    second = await people.refresh("Kim", namespace=HERE)
    assert second is not None
    assert (second.version, second.text) == (2, f"{first.text} Kim has a loom.")
    await retire(store, tea)
    clock.jump(200)  # no longer in Oslo
    third = await people.refresh("Kim", namespace=HERE)
    assert third is not None
    assert (third.text, third.taint) == ("Kim has a loom.", frozenset())
    assert await people.all(namespace=HERE) == [third]
    assert await people.get("Kim", namespace=Namespace("users/lee")) is None


async def test_what_is_out_of_date_is_known(store: Store, clock: FakeClock) -> None:
    people = People(store)
    await tell(store, "Kim likes tea")
    await tell(store, "Lee likes milk", subject="Lee")
    assert await people.changed(namespace=HERE) == ["kim", "lee"]
    assert await people.refresh_all(namespace=HERE, most=1) == 1
    assert await people.refresh_all(namespace=HERE) == 1
    assert await people.changed(namespace=HERE) == []
    clock.jump(5)
    await tell(store, "Lee likes rye", subject="Lee")
    assert await people.changed(namespace=HERE) == ["lee"]


async def test_a_long_life_fits_into_a_summary(store: Store) -> None:
    await tell(store, *(f"Kim has seen the number {number}" for number in range(250)))
    summary = await People(store).refresh("Kim", namespace=HERE)
    assert summary is not None
    assert len(summary.text) <= MOST_CHARACTERS
    assert "number 249." in summary.text
    assert "number 0." not in summary.text


async def test_a_model_words_it_from_nothing_but_the_facts(store: Store, clock: FakeClock) -> None:
    replies = [{"summary": "Kim, who likes tea."}, {"summary": "Kim is 42."}, "nothing"]
    model = ScriptedModel(replies)
    people = People(store, model)
    texts = []
    for fact in ("Kim likes tea", "Kim weaves", "Kim runs"):
        clock.jump(5)
        await tell(store, fact)
        summary = await people.refresh("Kim", namespace=HERE)
        await people.refresh("Kim", namespace=HERE)
        assert summary is not None
        texts.append(summary.text)
    # Nobody has told how old Kim is.
    assert texts == [
        "Kim, who likes tea.",
        "Kim likes tea. Kim weaves.",
        "Kim likes tea. Kim weaves. Kim runs.",
    ]
    assert len(model.requests) == 3


async def test_bad_names(store: Store) -> None:
    with pytest.raises(InputError) as caught:
        await People(store).refresh(" ", namespace=HERE)
    assert caught.value.code == "empty_text"


async def test_what_is_forgotten_while_a_model_writes_stays_forgotten(store: Store) -> None:
    number = await tell(store, "Kim lives in Lima")

    class Forgetting(ScriptedModel):
        async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
            async with store.writing(HERE) as partition:
                await partition.execute(
                    partition.delete(tables.fact).where(tables.fact.c.id == number)
                )
            async for delta in super().stream(request):
                yield delta

    model = Forgetting(lambda request: {"summary": "Kim lives in Lima."})
    assert await People(store, model).refresh("Kim", namespace=HERE) is None
    assert await People(store).all(namespace=HERE) == []

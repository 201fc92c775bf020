"""Concepts: learned once, found by cue, scored by outcomes."""

from __future__ import annotations

import pytest

from treadle.core.errors import InputError
from treadle.memory.learning import Concepts, Outcomes
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store

HERE = Namespace("users/kim")


async def test_found_by_a_cue_all_of_whose_words_are_there(store: Store) -> None:
    concepts = Concepts(store)
    await concepts.learn(
        "CSV totals", "Use sum_column.", namespace=HERE, cues=["total of a column"]
    )
    await concepts.learn("Beware of locks", "Close it first.", namespace=HERE, kind="warning")
    found = await concepts.find("What is the total of the column price?", namespace=HERE)
    assert [each.concept.name for each in found] == ["CSV totals"]
    assert 0.5 <= found[0].match <= 1
    assert await concepts.find("Paint the fence", namespace=HERE) == []
    warnings = await concepts.find("beware of the locks", namespace=HERE, kind="warning")
    assert [each.concept.kind for each in warnings] == ["warning"]
    assert await concepts.find("beware of the locks", namespace=HERE, kind="concept") == []
    assert await concepts.find("total of a column", namespace=Namespace("users/lee")) == []


async def test_a_changed_body_is_a_new_version_and_the_old_one_stays(store: Store) -> None:
    concepts = Concepts(store)
    first = await concepts.learn("Sums", "Use sum.", namespace=HERE, cues=["grand total"])
    again = await concepts.learn("Sums", "use  SUM.", namespace=HERE, cues=["overall total"])
    assert again.id == first.id
    assert again.cues == ("grand total", "overall total")
    second = await concepts.learn("Sums", "Use sum_column.", namespace=HERE, cues=["column total"])
    assert (second.version, second.previous) == (2, first.id)
    assert [each.concept.id for each in await concepts.find("column total", namespace=HERE)] == [
        second.id
    ]
    assert [
        each.concept.id for each in await concepts.find("overall total please", namespace=HERE)
    ] == []
    old = await concepts.get(first.id, namespace=HERE)
    assert old is not None
    assert old.retired_at is not None
    assert [each.version for each in await concepts.all(namespace=HERE, retired=True)] == [1, 2]


async def test_outcomes_decide_on_the_order_and_the_bad_are_retired(store: Store) -> None:
    concepts = Concepts(store)
    good = await concepts.learn("one", "A.", namespace=HERE, cues=["mend the loom"])
    bad = await concepts.learn("two", "B.", namespace=HERE, cues=["mend the loom"])
    await concepts.record(good.id, namespace=HERE, worked=True)
    await concepts.record(bad.id, namespace=HERE, worked=False)
    found = await concepts.find("mend the loom", namespace=HERE)
    assert [each.concept.id for each in found] == [good.id, bad.id]
    for _ in range(3):
        await concepts.record(bad.id, namespace=HERE, worked=False)
    assert [each.concept.id for each in await concepts.find("mend the loom", namespace=HERE)] == [
        good.id
    ]
    again = await concepts.learn("two", "B.", namespace=HERE, cues=["mend the loom"])
    assert again.id == bad.id  # what did badly is not learned again
    assert again.retired_at is not None
    assert await concepts.record("mem_unknown", namespace=HERE, worked=True) is None


async def test_labels_add_up(store: Store) -> None:
    concepts = Concepts(store)
    await concepts.learn("Totals", "Use sum.", namespace=HERE, taint=frozenset({"a"}))
    both = await concepts.learn("Totals", "Use sum.", namespace=HERE, taint=frozenset({"b"}))
    assert both.taint == {"a", "b"}
    assert (await concepts.find("totals", namespace=HERE))[0].concept.taint == {"a", "b"}


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("", "x", "empty_text"),
        ("x" * 300, "x", "text_too_long"),
        ("x", "y" * 5_000, "text_too_long"),
        ("x", "a\0b", "bad_text"),
        ("\ud800", "x", "bad_text"),
    ],
)
async def test_bad_input(store: Store, name: str, body: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        await Concepts(store).learn(name, body, namespace=HERE)
    assert caught.value.code == code
    assert await Concepts(store).all(namespace=HERE) == []


def test_the_posterior_of_outcomes() -> None:
    assert Outcomes().mean == 0.5
    assert Outcomes(1, 0).mean == pytest.approx(2 / 3)
    assert Outcomes(1, 0).deviation == pytest.approx((1 / 18) ** 0.5)
    assert Outcomes(90, 10).bound > Outcomes(9, 1).bound
    good = [Outcomes(1, 0), Outcomes(3, 1)]
    bad = [Outcomes(0, 4)]
    neither = [Outcomes(1, 1), Outcomes(0, 1), Outcomes(5, 4)]
    assert [each.good for each in good + bad + neither] == [True] * 2 + [False] * 4
    assert [each.bad for each in bad + good + neither] == [True] + [False] * 5

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
    await concepts.learn(HERE, "CSV totals", "Use sum_column.", cues=["total of a column"])
    await concepts.learn(HERE, "Beware of locks", "Close it first.", kind="warning")
    found = await concepts.find(HERE, "What is the total of the column price?")
    assert [each.concept.name for each in found] == ["CSV totals"]
    assert 0.5 <= found[0].match <= 1
    assert await concepts.find(HERE, "Paint the fence") == []
    warnings = await concepts.find(HERE, "beware of the locks", kind="warning")
    assert [each.concept.kind for each in warnings] == ["warning"]
    assert await concepts.find(HERE, "beware of the locks", kind="concept") == []
    assert await concepts.find(Namespace("users/lee"), "total of a column") == []


async def test_a_changed_body_is_a_new_version_and_the_old_one_stays(store: Store) -> None:
    concepts = Concepts(store)
    first = await concepts.learn(HERE, "Sums", "Use sum.", cues=["grand total"])
    again = await concepts.learn(HERE, "Sums", "use  SUM.", cues=["overall total"])
    assert again.id == first.id
    assert again.cues == ("grand total", "overall total")
    second = await concepts.learn(HERE, "Sums", "Use sum_column.", cues=["column total"])
    assert (second.version, second.previous) == (2, first.id)
    assert [each.concept.id for each in await concepts.find(HERE, "column total")] == [second.id]
    assert [each.concept.id for each in await concepts.find(HERE, "overall total please")] == []
    old = await concepts.get(HERE, first.id)
    assert old is not None
    assert old.retired_at is not None
    assert [each.version for each in await concepts.all(HERE, retired=True)] == [1, 2]


async def test_outcomes_decide_on_the_order_and_the_bad_are_retired(store: Store) -> None:
    concepts = Concepts(store)
    good = await concepts.learn(HERE, "one", "A.", cues=["mend the loom"])
    bad = await concepts.learn(HERE, "two", "B.", cues=["mend the loom"])
    await concepts.record(HERE, good.id, worked=True)
    await concepts.record(HERE, bad.id, worked=False)
    found = await concepts.find(HERE, "mend the loom")
    assert [each.concept.id for each in found] == [good.id, bad.id]
    for _ in range(3):
        await concepts.record(HERE, bad.id, worked=False)
    assert [each.concept.id for each in await concepts.find(HERE, "mend the loom")] == [good.id]
    again = await concepts.learn(HERE, "two", "B.", cues=["mend the loom"])
    assert again.id == bad.id  # what did badly is not learned again
    assert again.retired_at is not None
    assert await concepts.record(HERE, "mem_unknown", worked=True) is None


async def test_labels_add_up(store: Store) -> None:
    concepts = Concepts(store)
    await concepts.learn(HERE, "Totals", "Use sum.", taint=frozenset({"a"}))
    both = await concepts.learn(HERE, "Totals", "Use sum.", taint=frozenset({"b"}))
    assert both.taint == {"a", "b"}
    assert (await concepts.find(HERE, "totals"))[0].concept.taint == {"a", "b"}


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
        await Concepts(store).learn(HERE, name, body)
    assert caught.value.code == code
    assert await Concepts(store).all(HERE) == []


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

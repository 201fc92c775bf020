"""The plan cache: what is reused, what is not, and what becomes of what fails."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.memory.learning.near_misses import LEARNED, NEAR_MISSES, REUSED, one

from treadle.memory.learning import Example, Procedure, Procedures, Reuse
from treadle.memory.learning.literals import wording
from treadle.memory.learning.procedure import FingerprintOf
from treadle.memory.learning.template import Wire, identity
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.testing import FakeClock

HERE = Namespace("users/kim")


def tools(**versions: str) -> FingerprintOf:
    """Every tool is there, in its first version but for those named."""
    return lambda name: versions.get(name, "1")


async def learned(store: Store) -> Procedures:
    procedures = Procedures(store)
    for task, plan in LEARNED:
        match = await procedures.match(task, tools(), namespace=HERE)
        assert not isinstance(match, Reuse)
        assert await procedures.learn(task, plan, tools(), namespace=HERE) is not None
    return procedures


async def test_a_task_that_is_repeated_needs_no_planner(store: Store) -> None:
    procedures = await learned(store)
    for task, plan in [*LEARNED, *REUSED]:
        match = await procedures.match(task, tools(), namespace=HERE)
        assert isinstance(match, Reuse), task
        assert identity(match.plan) == identity(plan), task


async def test_no_near_miss_gets_the_plan_of_another_task(store: Store) -> None:
    procedures = await learned(store)
    reused = []
    for task in NEAR_MISSES:
        if isinstance(await procedures.match(task, tools(), namespace=HERE), Reuse):
            reused.append(task)
    assert len(NEAR_MISSES) > 100
    assert reused == []


async def test_one_run_generalises_nothing(store: Store) -> None:
    procedures = Procedures(store)
    await procedures.learn("Sum 2 and 3", one("sum", a=2, b=3), tools(), namespace=HERE)
    assert isinstance(await procedures.match("Sum 2 and 3", tools(), namespace=HERE), Reuse)
    match = await procedures.match("Sum 4 and 5", tools(), namespace=HERE)
    assert isinstance(match, Example)
    assert [each.task for each in match.procedures] == ["Sum 2 and 3"]
    # Only the first number has been seen to vary.
    await procedures.learn("Sum 4 and 3", one("sum", a=4, b=3), tools(), namespace=HERE)
    assert isinstance(await procedures.match("Sum 9 and 3", tools(), namespace=HERE), Reuse)
    assert isinstance(await procedures.match("Sum 9 and 8", tools(), namespace=HERE), Example)


@pytest.mark.parametrize("now", [tools(sum="2"), lambda name: None])
async def test_nothing_stale_is_replayed(store: Store, now: FingerprintOf) -> None:
    procedures = Procedures(store)
    old = await procedures.learn("Sum 2 and 3", one("sum", a=2, b=3), tools(), namespace=HERE)
    assert await procedures.match("Sum 2 and 3", now, namespace=HERE) is None
    assert old is not None
    assert old.holds(tools())
    assert not old.holds(now)


async def test_a_plan_that_works_with_changed_tools_is_its_next_version(store: Store) -> None:
    procedures = Procedures(store)
    plan = one("sum", a=2, b=3)
    await procedures.learn("Sum 2 and 3", plan, tools(), namespace=HERE)
    new = await procedures.learn("Sum 2 and 3", plan, tools(sum="2"), namespace=HERE)
    assert new is not None
    assert new.version == 2
    assert [each.version for each in await procedures.all(namespace=HERE)] == [2]
    assert [each.version for each in await procedures.all(namespace=HERE, retired=True)] == [1, 2]
    assert isinstance(await procedures.match("Sum 2 and 3", tools(sum="2"), namespace=HERE), Reuse)
    assert await procedures.match("Sum 2 and 3", tools(), namespace=HERE) is None


async def test_failure_demotes_and_success_brings_back(store: Store) -> None:
    procedures = Procedures(store)
    plan = one("sum", a=2, b=3)
    made = await procedures.learn("Sum 2 and 3", plan, tools(), namespace=HERE)
    assert made is not None
    await procedures.record(made.id, namespace=HERE, worked=False)
    assert await procedures.match("Sum 2 and 3", tools(), namespace=HERE) is None
    await procedures.learn(
        "Sum 2 and 3", plan, tools(), namespace=HERE
    )  # the planner wrote it again
    assert isinstance(await procedures.match("Sum 2 and 3", tools(), namespace=HERE), Reuse)
    for _ in range(8):
        await procedures.record(made.id, namespace=HERE, worked=False)
    retired = await procedures.get(made.id, namespace=HERE)
    assert retired is not None
    assert retired.retired_at is not None
    assert await procedures.record("mem_unknown", namespace=HERE, worked=True) is None


async def test_labels_of_the_author_come_along(store: Store) -> None:
    procedures = Procedures(store)
    task, plan = LEARNED[0]
    await procedures.learn(
        task, plan, tools(), namespace=HERE, taint=frozenset({"fetch_url (step page)"})
    )
    match = await procedures.match(task, tools(), namespace=HERE)
    assert isinstance(match, Reuse)
    assert match.taint == {"fetch_url (step page)"}
    near = await procedures.match("Sum 8 and 9", tools(), namespace=HERE)
    assert isinstance(near, Example)
    assert near.taint == {"fetch_url (step page)"}


@pytest.mark.parametrize(
    ("task", "plan"),
    [
        ("Say hello", {"steps": [], "answer": "Hello"}),
        ("Sales since yesterday", one("query", where="day >= '2026-11-20'")),
        ("Sales this year", one("query", where="year = 2026")),
        ("Sum 2 and 3", {**one("sum", a=2, b=3), "version": 2}),
        ("x" * 5_000, one("sum", a=2, b=3)),
        ("Keep it", one("keep", text="x" * 70_000)),
        ("Half \ud800 of it", one("keep", text="x")),
        ("  ", one("keep", text="x")),
    ],
)
async def test_what_is_not_kept(store: Store, task: str, plan: Wire) -> None:
    procedures = Procedures(store)
    assert await procedures.learn(task, plan, tools(), namespace=HERE) is None
    assert await procedures.all(namespace=HERE, retired=True) == []


async def test_no_other_namespace_sees_it(store: Store) -> None:
    procedures = Procedures(store)
    task, plan = LEARNED[0]
    await procedures.learn(task, plan, tools(), namespace=HERE)
    for other in (Namespace("users/lee"), Namespace("users/kim", tenant="other"), Namespace()):
        assert await procedures.match(task, tools(), namespace=other) is None


async def test_few_plans_are_kept_for_one_wording(store: Store, clock: FakeClock) -> None:
    procedures = Procedures(store)
    for number in range(40):
        clock.jump(1.0)
        plan = one("weather", lat=number, label=f"{number * 7}", place="x")
        await procedures.learn(f"Weather at {number + 100}", plan, tools(), namespace=HERE)
    kept = await procedures.all(namespace=HERE)
    assert [each.task for each in kept] == [f"Weather at {number + 100}" for number in range(8, 40)]


async def test_an_example_is_like_the_task(store: Store) -> None:
    procedures = await learned(store)
    match = await procedures.match("Please read the notes in my.pdf", tools(), namespace=HERE)
    assert match is None or all(
        isinstance(each, Procedure) for each in getattr(match, "procedures", ())
    )
    assert await procedures.match("Völlig andere Aufgabe", tools(), namespace=HERE) is None


words = st.sampled_from(
    ["sum", "of", "Paris", "2", "3.5", "a.txt", "'x y'", "not", "2024-01-02", "Rome"]
)


@given(st.lists(words, min_size=1, max_size=8))
def test_wording_loses_nothing(parts: list[str]) -> None:
    task = " ".join(["do", *parts])
    found = wording(task)
    text = found.segments[0]
    for slot, segment in zip(found.slots, found.segments[1:], strict=True):
        text += slot.value + segment
    assert text.strip() == task
    assert found.asks_the_same(wording(task))


@pytest.mark.parametrize(
    ("task", "kinds"),
    [
        ("weather in New York and Paris", {"New York": "name", "Paris": "name"}),
        ("Paris weather", {}),
        ("go NOT there", {}),
        ("anywhere But Paris", {"Paris": "name"}),
        ("read ./a/b.TXT.", {"./a/b.TXT": "path:folders:txt"}),
        ("list /var/log", {"/var/log": "path:absolute:"}),
        ("see https://x.org/a.csv, now", {"https://x.org/a.csv": "url:https//x.org:csv"}),
        ("v2 and 1,000 and 2,3 and 3rd", {}),
        ("10% of 3.50", {"10": "int", "3.50": "decimal"}),
        ("it's Kim's 'own'", {"Kim's": "name", "own": "text"}),
    ],
)
def test_literals(task: str, kinds: Mapping[str, str]) -> None:
    assert {slot.value: slot.kind for slot in wording(task).slots} == kinds

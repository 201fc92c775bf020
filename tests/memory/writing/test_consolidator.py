"""The consolidator: few calls, and nothing of a model's reply that code has not admitted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.core.chat import ChatRequest
from treadle.core.errors import ModelError
from treadle.memory.episode import Episode
from treadle.memory.fact import Fact
from treadle.memory.kinds import Origin
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.times import moment
from treadle.memory.writing.consolidator import CONSOLIDATE, FEWEST, MOST, REFUSED, Consolidator
from treadle.memory.writing.draft import Draft
from treadle.memory.writing.episodes import Episodes
from treadle.memory.writing.facts import Facts
from treadle.memory.writing.outbox import Outbox
from treadle.memory.writing.proposals import admitted
from treadle.memory.writing.worker import Handler, Worker
from treadle.testing import FakeClock, ScriptedModel

ALICE = Namespace("users/alice")


def proposal(episode: object = 1, **values: object) -> dict[str, object]:
    return {
        "episode": episode,
        "subject": "Alice",
        "predicate": "plays",
        "object": "the cello",
        "valid_from": None,
        "valid_to": None,
        "ended": False,
        **values,
    }


def reply(*proposals: object) -> str:
    return json.dumps({"facts": proposals})


class Study:
    """Episodes, and a model that reads them."""

    def __init__(self, store: Store, model: ScriptedModel) -> None:
        self.episodes = Episodes(store, (CONSOLIDATE,))
        self.facts = Facts(store)
        self.outbox = Outbox(store)
        handler = Handler(
            Consolidator(store, model).work, most=MOST, fewest=FEWEST, seconds=60, finishes=True
        )
        self.worker = Worker(self.outbox, {CONSOLIDATE: handler}, clock=store.clock)

    async def hears(self, count: int, text: str = "I took up the cello", **values: object) -> None:
        drafts = [
            Draft(f"{text}, part {number}", actor="Alice", thread="t", **values)  # type: ignore[arg-type]
            for number in range(count)
        ]
        await self.episodes.remember_many(drafts, namespace=ALICE)

    async def knows(self) -> list[tuple[str, str, str]]:
        found = await self.facts.facts(namespace=ALICE)
        return [(fact.subject, fact.predicate, fact.object) for fact in found]


@pytest.mark.parametrize("count", [9, 10, 24, 33, 34, 100])
async def test_there_is_at_most_a_tenth_of_a_call_for_an_episode(store: Store, count: int) -> None:
    model = ScriptedModel(lambda _: reply())
    study = Study(store, model)
    for _ in range(count):
        await study.hears(1)
        await study.worker.work_once()
    assert len(model.requests) <= count * 0.1
    waiting = (await study.outbox.counts()).get(CONSOLIDATE, {"waiting": 0})["waiting"]
    assert waiting < FEWEST


async def test_what_is_proposed_becomes_a_fact(store: Store) -> None:
    model = ScriptedModel([reply(proposal(2), proposal(3, subject="I", object="chess"))])
    study = Study(store, model)
    await study.hears(10)
    assert await study.worker.work_once() == 10
    facts = await study.facts.facts(namespace=ALICE)
    assert {(fact.subject, fact.object, fact.origin) for fact in facts} == {
        ("Alice", "the cello", Origin.MODEL),
        ("Alice", "chess", Origin.MODEL),
    }
    episodes = await study.episodes.of_thread("t", namespace=ALICE)
    by_object = {fact.object: fact for fact in facts}
    assert by_object["the cello"].sources == (episodes[1].id,)
    assert by_object["the cello"].confidence > by_object["chess"].confidence
    assert await study.outbox.counts() == {}


async def test_an_end_is_known_before_its_beginning(store: Store, clock: FakeClock) -> None:
    """As for those who tell it themselves: `Facts.end`."""
    ended = proposal(1, predicate="works_at", object="Acme", valid_to="2015", ended=True)
    begun = proposal(2, predicate="works_at", object="Acme", valid_from="2010-01-01")
    study = Study(store, ScriptedModel([reply(ended, begun)]))
    await study.hears(10)
    await study.worker.work_once()
    assert await study.knows() == []
    held = await study.facts.facts("Alice", "works_at", namespace=ALICE, as_of="2012-01-01")
    assert [(fact.object, fact.origin) for fact in held] == [("Acme", Origin.MODEL)]
    told = Facts(store)
    other = Namespace("told")
    await told.end("Alice", "works_at", "Acme", at="2015-01-01", namespace=other)
    await told.tell("Alice", "works_at", "Acme", valid_from="2010-01-01", namespace=other)

    def spans(facts: tuple[Fact, ...]) -> list[tuple[datetime | None, datetime | None]]:
        return [(fact.valid_from, fact.valid_to) for fact in facts]

    mine = await study.facts.timeline("Alice", namespace=ALICE)
    theirs = await told.timeline("Alice", namespace=other)
    assert spans(mine) == spans(theirs)


async def test_code_closes_what_is_contradicted(store: Store, clock: FakeClock) -> None:
    model = ScriptedModel(
        [
            reply(
                proposal(1, predicate="lives in", object="Paris", valid_from="2010"),
                proposal(2, predicate="lives_in", object="Rome", valid_from="2020-05"),
                proposal(3, predicate="works_at", object="Acme", valid_from="2010-01-01"),
                proposal(4, predicate="works_at", object="Acme", valid_to="2015", ended=True),
            )
        ]
    )
    study = Study(store, model)
    await study.hears(10)
    await study.worker.work_once()
    assert await study.knows() == [("Alice", "lives_in", "Rome")]
    was = await study.facts.facts("Alice", namespace=ALICE, as_of="2012-01-01")
    assert {fact.object for fact in was} == {"Paris", "Acme"}


HOSTILE: list[tuple[object, str]] = [
    ("ignore all", "no object"),
    (None, "no object"),
    ({}, "was not given"),
    (proposal(0), "was not given"),
    (proposal(11), "was not given"),
    (proposal(-1), "was not given"),
    (proposal(True), "was not given"),
    (proposal("1"), "was not given"),
    (proposal(10**30), "was not given"),
    (proposal(subject="Mallory"), "does not speak of"),
    (proposal(subject=""), "empty"),
    (proposal(subject=["Alice"]), "no text"),
    (proposal(subject="Alice " * 100), "characters"),
    (proposal(object="x" * 500), "characters"),
    (proposal(object="a\u202eb"), "cannot be seen"),
    (proposal(object="a\x00b"), "cannot be seen"),
    (proposal(object="a\ud800b"), "cannot be seen"),
    (proposal(predicate="; drop table"), ""),
    (proposal(predicate="?!"), "no predicate"),
    (proposal(valid_from="-1000"), "no date"),
    (proposal(valid_from=["2020"]), "no date"),
    (proposal(valid_from="2020", valid_to="2019"), "too early"),
    (proposal(ended="yes"), "true or false"),
]


@pytest.mark.parametrize(("bad", "why"), HOSTILE, ids=range(len(HOSTILE)))
async def test_what_is_refused_leaves_a_record(store: Store, bad: object, why: str) -> None:
    study = Study(store, ScriptedModel([reply(bad, proposal(1))]))
    await study.hears(10)
    assert await study.worker.work_once() == 10
    known = await study.knows()
    assert ("Alice", "plays", "the cello") in known
    letters = await study.outbox.dead_letters()
    if why:
        assert len(known) == 1
        (letter,) = letters
        assert letter.task == REFUSED
        assert why in letter.error
        assert isinstance(letter.payload, Mapping)
        assert len(letter.payload["proposals"]) == 1  # type: ignore[arg-type]
    else:
        # It is an odd name for a predicate, and no more than that.
        assert ("Alice", "drop_table", "the cello") in known


@pytest.mark.parametrize(
    "text",
    ["", "I cannot do that.", "[]", '{"facts": 1}', "{" * 50_000, '{"facts": [', "[" * 100_000],
    ids=range(7),
)
async def test_a_reply_that_is_none_costs_one_call_and_is_kept(store: Store, text: str) -> None:
    model = ScriptedModel([text, reply()])
    study = Study(store, model)
    await study.hears(10)
    assert await study.worker.work_once() == 0
    assert await study.worker.work_once() == 0
    assert len(model.requests) == 1
    letters = await study.outbox.dead_letters()
    assert len(letters) == 10
    assert {letter.error.partition(":")[0] for letter in letters} == {"bad_model_output"}


async def test_a_model_that_is_away_is_asked_again(store: Store, clock: FakeClock) -> None:
    away = ModelError("model_unavailable", "away", retryable=True)
    model = ScriptedModel([away, reply(proposal(1))])
    study = Study(store, model)
    await study.hears(10)
    assert await study.worker.work_once() == 0
    clock.advance(1000)
    assert await study.worker.work_once() == 10
    assert await study.knows() == [("Alice", "plays", "the cello")]


async def test_taint_goes_with_the_facts_and_ends_nothing(store: Store) -> None:
    label = frozenset({"fetch_url"})
    requests: list[ChatRequest] = []

    def answer(request: ChatRequest) -> str:
        requests.append(request)
        return reply(proposal(1), proposal(2, predicate="likes", object="tea", ended=True))

    study = Study(store, ScriptedModel(answer))
    await study.facts.tell("Alice", "likes", "tea", namespace=ALICE, valid_from="2000-01-01")
    await study.hears(10, taint=label)
    await study.worker.work_once()
    found = await study.facts.facts("Alice", namespace=ALICE)
    assert {(fact.object, fact.taint) for fact in found} == {
        ("tea", frozenset()),
        ("the cello", label),
    }
    assert requests[0].messages[-1].taint == ("fetch_url",)
    assert [letter.task for letter in await study.outbox.dead_letters()] == [REFUSED]


EPISODE = Episode(
    id="mem_1", text="I took up the cello", actor="Alice", source="", origin=Origin.USER,
    thread="t", occurred_at=moment(1.7e9), recorded_at=moment(1.7e9),  # type: ignore[arg-type]
)  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        json_values
        | st.fixed_dictionaries(dict.fromkeys(proposal(), json_values))
        | st.dictionaries(st.sampled_from(list(proposal())), json_values).map(
            lambda some: (
                proposal(**some)  # type: ignore[arg-type]
                if "episode" not in some
                else {**proposal(), **some}
            )
        ),
        max_size=6,
    )
)
def test_every_proposal_is_admitted_or_refused(values: list[object]) -> None:
    kept, refused = admitted(json.dumps({"facts": values}), [EPISODE])
    assert len(kept) + len(refused) == len(values)
    for each in kept:
        assert each.position == 0
        assert each.checked.statement.sources == ("mem_1",)
    assert all(each.code and each.reason for each in refused)

"""Recall on both databases."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from treadle.core.errors import InputError
from treadle.memory.embedders import DenseSearch, NamedEmbedder
from treadle.memory.embedders.embedding_work import Pending, embed_pending
from treadle.memory.episode import Episode
from treadle.memory.kinds import Kind
from treadle.memory.namespace import Namespace
from treadle.memory.recall import Recaller
from treadle.memory.store import Store
from treadle.memory.writing.draft import Draft
from treadle.memory.writing.episodes import Episodes
from treadle.testing import FakeClock

ALICE = Namespace("users/alice")
BOB = Namespace("users/bob")

TALK = (
    Draft("What did you do on the weekend?", actor="Ann", thread="one"),
    Draft("We went to the lake, it was lovely.", actor="Ben", thread="one"),
    Draft("Our dog Rex is afraid of thunder.", actor="Ann", thread="one"),
    Draft("I am learning the violin since March.", actor="Ben", thread="one"),
    Draft("The new bakery sells rye bread.", actor="Ann", thread="two"),
    Draft("I practise the violin each evening.", actor="Ann", thread="two"),
)


async def _remember(store: Store, drafts: Sequence[Draft], namespace: Namespace = ALICE) -> None:
    await Episodes(store).remember_many(drafts, namespace=namespace)


async def test_the_words_of_the_query_find_what_has_them(store: Store) -> None:
    await _remember(store, TALK)
    found = await Recaller(store).recall("Who fears thunder?", namespace=ALICE)
    assert found.hits[0].text == "Our dog Rex is afraid of thunder."
    assert found.hits[0].ranks["lexical"] == 1
    assert found.tokens > 0


async def test_an_answer_is_found_by_the_question_before_it(store: Store) -> None:
    await _remember(store, TALK)
    found = await Recaller(store).recall("What did Ben do on the weekend?", namespace=ALICE)
    assert [hit.text for hit in found.hits][:2].count("We went to the lake, it was lovely.") == 1
    lake = next(hit for hit in found.hits if "lake" in hit.text)
    assert "lexical" not in lake.ranks
    assert lake.ranks["neighbours"] >= 1


async def test_whoever_the_question_names_comes_first(store: Store) -> None:
    await _remember(store, TALK)
    recaller = Recaller(store)
    for name in ("Ann", "Ben"):
        found = await recaller.recall(f"Does {name} play the violin?", namespace=ALICE)
        first = found.hits[0].item
        assert isinstance(first, Episode)
        assert first.actor == name


async def test_neighbours_are_of_the_same_thread_where_threads_are_told_in_turn(
    store: Store,
) -> None:
    first = ("Where is the treasure?", "Under the old oak.", "Good to know.")
    second = ("Lunch today?", "Soup again.", "Fine.")
    drafts = list[Draft]()
    for one, other, actor in zip(first, second, ("Ann", "Ben", "Ann"), strict=True):
        drafts += [Draft(one, actor=actor, thread="a"), Draft(other, actor=actor, thread="b")]
    await _remember(store, drafts)
    found = await Recaller(store).recall("where is the treasure", namespace=ALICE)
    texts = {hit.text for hit in found.hits}
    assert "Under the old oak." in texts
    assert texts <= set(first)


async def test_a_namespace_sees_its_own_only(store: Store) -> None:
    await _remember(store, TALK)
    found = await Recaller(store).recall("violin", namespace=BOB)
    assert found.nothing_relevant
    assert found.reason
    other = Namespace("users/alice", tenant="other")
    assert (await Recaller(store).recall("violin", namespace=other)).nothing_relevant


async def test_as_of_leaves_out_what_came_later(store: Store) -> None:
    await _remember(
        store,
        [
            Draft("I live in Oslo.", actor="Ann", occurred_at="2020-01-01"),
            Draft("I live in Rome.", actor="Ann", occurred_at="2022-01-01"),
        ],
    )
    recaller = Recaller(store)
    then = await recaller.recall("Where does Ann live?", namespace=ALICE, as_of="2021-01-01")
    assert [hit.text for hit in then.hits] == ["I live in Oslo."]
    assert len((await recaller.recall("Where does Ann live?", namespace=ALICE)).hits) == 2


async def test_known_at_leaves_out_what_was_learned_later(store: Store, clock: FakeClock) -> None:
    await _remember(store, [Draft("The code is seven.", occurred_at="2020-01-01")])
    learned = clock.now()
    clock.advance(1000)
    await _remember(store, [Draft("The code is nine.", occurred_at="2019-01-01")])
    found = await Recaller(store).recall("code", namespace=ALICE, known_at=learned + 1)
    assert [hit.text for hit in found.hits] == ["The code is seven."]


async def test_a_date_in_the_query_prefers_its_time(store: Store) -> None:
    await _remember(
        store,
        [
            Draft(f"We went hiking, trip {month}.", occurred_at=f"2022-{month:02}-10")
            for month in range(1, 13)
        ],
    )
    found = await Recaller(store).recall(
        "Where did we go hiking in May 2022?", namespace=ALICE, as_of="2023-01-01"
    )
    assert found.hits[0].text == "We went hiking, trip 5."
    assert found.hits[0].ranks["temporal"] == 1


async def test_a_budget_is_kept_and_what_did_not_fit_is_told(store: Store) -> None:
    await _remember(store, [Draft(f"violin {word} " * 30) for word in ("one", "two", "six")])
    free = await Recaller(store).recall("violin", namespace=ALICE)
    assert len(free.hits) == 3
    found = await Recaller(store).recall("violin", namespace=ALICE, budget_tokens=free.tokens - 1)
    assert len(found.hits) == 2
    assert found.tokens < free.tokens
    assert "1 hits did not fit" in found.reason


async def test_says_when_nothing_is_relevant(store: Store) -> None:
    await _remember(store, TALK)
    recaller = Recaller(store)
    for query in ("quantum chromodynamics lattice", "the of and", "xyzzy"):
        found = await recaller.recall(query, namespace=ALICE)
        assert found.hits == ()
        assert found.reason


async def test_a_word_in_passing_is_no_answer(store: Store) -> None:
    await _remember(store, TALK)
    query = "Which lattice gauge theory explains confinement of quarks for a new physicist?"
    assert (await Recaller(store).recall(query, namespace=ALICE)).nothing_relevant


@pytest.mark.parametrize(
    "query", ['"violin" OR *', "violin NEAR(-", "violin^2 + {terms}:", "violin'; --", "violin\0"]
)
async def test_the_syntax_of_databases_is_nothing_but_words(store: Store, query: str) -> None:
    await _remember(store, TALK)
    found = await Recaller(store).recall(f"learning {query}", namespace=ALICE)
    assert any("violin" in hit.text for hit in found.hits)


async def test_a_hostile_query_is_bounded(store: Store) -> None:
    await _remember(store, TALK)
    recaller = Recaller(store)
    await recaller.recall("\ud800 violin", namespace=ALICE)
    await recaller.recall("word " * 100_000 + "violin", namespace=ALICE)
    for arguments in (
        {"query": "x" * 2_000_000},
        {"query": "x", "k": 0},
        {"query": "x", "k": 5000},
    ):
        with pytest.raises(InputError) as caught:
            await recaller.recall(**arguments, namespace=ALICE)  # type: ignore[arg-type]
        assert caught.value.code == "bad_query"


async def test_a_date_that_is_none_is_refused(store: Store) -> None:
    with pytest.raises(InputError) as caught:
        await Recaller(store).recall("x", namespace=ALICE, as_of="soon")
    assert caught.value.code == "bad_date"


class _Animals:
    """An embedder with two directions: animals and the rest."""

    name = "animals"

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [
            [1.0, 0.05] if any(word in text for word in ("dog", "puppy", "pet")) else [0.05, 1.0]
            for text in texts
        ]


async def test_vectors_find_what_no_word_finds(store: Store) -> None:
    await _remember(store, TALK)
    embedder = NamedEmbedder(_Animals(), "animals")
    async with store.reading(ALICE) as partition:
        from treadle.memory import tables

        numbers = (
            await partition.execute(partition.rows(tables.episode, tables.episode.c.id))
        ).all()
    pending = [Pending(Kind.EPISODE, row.id) for row in numbers]
    await embed_pending(store, ALICE, embedder, pending)
    found = await Recaller(store, DenseSearch(embedder)).recall("puppy", namespace=ALICE)
    assert found.hits[0].text == "Our dog Rex is afraid of thunder."
    assert found.hits[0].ranks["dense"] == 1
    assert (await Recaller(store).recall("puppy", namespace=ALICE)).nothing_relevant

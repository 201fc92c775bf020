"""What comes back with an answer, and what does not."""

from __future__ import annotations

from treadle.memory.fact import Fact
from treadle.memory.namespace import Namespace
from treadle.memory.recall import Recaller
from treadle.memory.store import Store
from treadle.memory.writing.draft import Draft
from treadle.memory.writing.episodes import Episodes
from treadle.memory.writing.facts import Facts
from treadle.testing import FakeClock

HOME = Namespace("home")


async def test_what_shares_nothing_with_a_clear_answer_stays_away(store: Store) -> None:
    notes = ("I drink green tea.", "The server in Rome is slow.", "My sister Kate has a dog.")
    for note in notes:
        await Episodes(store).remember(note, namespace=HOME)
    found = await Recaller(store).recall("what tea?", 3, namespace=HOME)
    assert [hit.text for hit in found.hits] == ["I drink green tea."]


async def test_who_is_asked_about_is_heard_besides_the_clear_answer(store: Store) -> None:
    drafts = [Draft("Green tea.", actor="Ann"), Draft("Always hot.", actor="Ann")]
    await Episodes(store).remember_many(drafts, namespace=HOME)
    found = await Recaller(store).recall("What tea does Ann drink?", 5, namespace=HOME)
    assert {hit.text for hit in found.hits} == {"Green tea.", "Always hot."}


async def _moved(store: Store, clock: FakeClock) -> None:
    kept = await Episodes(store).remember("Ann moved to Oslo.", namespace=HOME)
    await Facts(store).tell("Ann", "moved to", "Oslo", namespace=HOME, sources=[kept.episode.id])
    await Episodes(store).remember("Oslo is cold, said Ben who moved there.", namespace=HOME)
    clock.advance(60)


async def test_a_fact_and_its_episode_do_not_take_two_places(
    store: Store, clock: FakeClock
) -> None:
    await _moved(store, clock)
    found = await Recaller(store).recall("Who moved to Oslo?", 2, namespace=HOME)
    told = [hit for hit in found.hits if isinstance(hit.item, Fact) or "Ann" in hit.text]
    assert len(found.hits) == 2
    assert len(told) == 1


async def test_a_fact_stands_beside_its_episode_where_there_is_room(
    store: Store, clock: FakeClock
) -> None:
    await _moved(store, clock)
    found = await Recaller(store).recall("Who moved to Oslo?", 5, namespace=HOME)
    assert len(found.hits) == 3
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)

"""The echo guard: nothing that memory gave comes back as news, and no person is cut short."""

from __future__ import annotations

import pytest

from treadle.core.errors import InputError
from treadle.memory import tables
from treadle.memory.episode import Remembered
from treadle.memory.erasure.eraser import Eraser
from treadle.memory.hit import Hit
from treadle.memory.kinds import Origin
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.echo import EchoGuard
from treadle.memory.writing.episodes import Episodes
from treadle.memory.writing.facts import Facts
from treadle.testing import FakeClock

ALICE = Namespace("users/alice")
OTHERS = [Origin.ASSISTANT, Origin.TOOL, Origin.DOCUMENT, Origin.RUN]


class Talk:
    """A conversation in which things are recalled."""

    def __init__(self, store: Store) -> None:
        self.episodes = Episodes(store)
        self.facts = Facts(store)
        self._guard = EchoGuard(store)

    async def says(
        self, text: str, origin: Origin = Origin.USER, thread: str = "t", key: str | None = None
    ) -> Remembered:
        return await self.episodes.remember(
            text, namespace=ALICE, origin=origin, thread=thread, idempotency_key=key
        )

    async def recalls(self, *items: Remembered) -> None:
        hits = [Hit(each.episode, 1.0) for each in items]
        await self._guard.note_recalled(ALICE, hits)

    async def recalls_fact(self, obj: str) -> None:
        told = await self.facts.tell("alice", "lives_in", obj, namespace=ALICE)
        await self._guard.note_recalled(ALICE, [Hit(told.fact, 1.0)])


@pytest.fixture
def talk(store: Store) -> Talk:
    return Talk(store)


@pytest.mark.parametrize("origin", OTHERS)
@pytest.mark.parametrize(
    "text",
    [
        "My dog Rex is afraid of thunder",
        "- my dog rex is afraid of thunder.",
        "Your dog Rex is afraid of thunder!",
        "As you told me, your dog Rex is afraid of thunder.",
        "Your dog Rex is afraid of thunder, as you said.",
        "[2023-05-08] alice: My dog Rex is afraid of thunder",
        "Sure! Your dog Rex is afraid of thunder.",
    ],
)
async def test_what_was_recalled_is_no_news(talk: Talk, origin: Origin, text: str) -> None:
    said = await talk.says("My dog Rex is afraid of thunder.")
    await talk.recalls(said)
    back = await talk.says(text, origin)
    assert back.outcome == "echo"
    assert back.episode == said.episode


async def test_a_recalled_fact_is_no_news(talk: Talk) -> None:
    await talk.recalls_fact("Paris")
    back = await talk.says("Alice lives in Paris.", Origin.ASSISTANT)
    assert (back.outcome, back.episode.id) == ("echo", "")


async def test_what_was_not_recalled_is_news(talk: Talk) -> None:
    await talk.says("My dog Rex is afraid of thunder.")
    assert (
        await talk.says("Your dog Rex is afraid of thunder.", Origin.ASSISTANT)
    ).outcome == "new"


@pytest.mark.parametrize(
    "text",
    [
        "Your dog Max is afraid of thunder.",
        "Your dog Rex is not afraid of thunder.",
        "Your dog Rex is afraid of thunderstorms and of the postman who comes every morning.",
        "ok",
    ],
)
async def test_something_else_is_news(talk: Talk, text: str) -> None:
    await talk.recalls(
        await talk.says("My dog Rex is afraid of thunder."), await talk.says("ok", thread="u")
    )
    assert (await talk.says(text, Origin.ASSISTANT)).outcome == "new"


@pytest.mark.parametrize(
    "answer",
    [
        "Your dog Rex is afraid of thunder. I booked the vet for Friday.",
        "It is false: your dog Rex is afraid of thunder.",
        "My dog Rex is afraid of thunder no longer.",
    ],
)
async def test_an_answer_that_says_more_is_kept_whole(talk: Talk, answer: str) -> None:
    await talk.recalls(await talk.says("My dog Rex is afraid of thunder."))
    made = await talk.says(answer, Origin.ASSISTANT)
    assert (made.outcome, made.episode.text) == ("new", answer)


async def test_what_a_person_says_elsewhere_is_theirs(talk: Talk) -> None:
    await talk.recalls(await talk.says("I took my blood pressure pill."))
    assert (await talk.says("I took my blood pressure pill.", thread="tue")).outcome == "new"


async def test_an_answer_that_is_mostly_new_is_kept_whole(talk: Talk) -> None:
    await talk.recalls(await talk.says("My dog Rex is afraid of thunder."))
    answer = (
        "Your dog Rex is afraid of thunder. I booked the vet for Friday at ten. Bring his papers."
    )
    assert (await talk.says(answer, Origin.ASSISTANT)).episode.text == answer


async def test_a_person_who_repeats_it_loses_nothing(talk: Talk) -> None:
    said = await talk.says("My dog Rex is afraid of thunder.")
    await talk.recalls(said)
    longer = "My dog Rex is afraid of thunder. And of cats."
    assert (await talk.says(longer)).episode.text == longer
    same = await talk.says("My dog Rex is afraid of thunder.")
    assert (same.outcome, same.episode) == ("echo", said.episode)
    other_person = "Your dog Rex is afraid of thunder."
    assert (await talk.says(other_person)).outcome == "new"


async def test_what_a_person_adds_to_a_prompt_is_kept_with_it(talk: Talk) -> None:
    lines = ["My dog Rex is afraid of thunder.", "My cat Tom sleeps all day long."]
    await talk.recalls(*[await talk.says(line) for line in lines])
    prompt = "\n".join([*(f"- {line}" for line in lines), "I moved to Oslo."])
    made = await talk.says(prompt)
    assert made.episode.text == prompt
    assert (await talk.says("\n".join(lines))).outcome == "echo"


async def test_a_person_who_says_again_what_was_overtaken_is_heard(
    store: Store, talk: Talk, clock: FakeClock
) -> None:
    said = await talk.says("I live in Paris.")
    await talk.facts.tell("user", "lives_in", "Paris", namespace=ALICE, sources=[said.episode.id])
    await talk.recalls(said)
    assert (await talk.says("I live in Paris.")).outcome == "echo"
    clock.advance(10)
    await talk.facts.tell("user", "lives_in", "Rome", namespace=ALICE)
    assert (await talk.says("I live in Paris.")).outcome == "new"
    assert (await talk.says("You live in Paris.", Origin.ASSISTANT)).outcome == "echo"


async def test_a_retry_of_what_was_cut_is_the_same(talk: Talk) -> None:
    await talk.recalls(await talk.says("My dog Rex is afraid of thunder."))
    answer = "Your dog Rex is afraid of thunder. I booked the vet for Friday."
    made = [
        await talk.episodes.remember(
            answer, namespace=ALICE, origin=Origin.ASSISTANT, idempotency_key="k"
        )
        for _ in range(2)
    ]
    assert [each.outcome for each in made] == ["new", "duplicate"]
    assert made[0].episode.id == made[1].episode.id


@pytest.mark.parametrize("of_fact", [False, True])
async def test_an_echo_takes_its_key(
    store: Store, talk: Talk, clock: FakeClock, of_fact: bool
) -> None:
    said = await talk.says("Alice lives in Paris.")
    if of_fact:
        await talk.recalls_fact("Paris")
    else:
        await talk.recalls(said)
    origin = Origin.ASSISTANT if of_fact else Origin.USER
    first = await talk.says("Alice lives in Paris.", origin, key="k")
    assert first.outcome == "echo"
    # Told of another city since: said anew it would be news, sent again it is not.
    clock.advance(10)
    await talk.facts.tell(
        "alice", "lives_in", "Paris", namespace=ALICE, sources=[said.episode.id], valid_from=1.0
    )
    await talk.facts.tell("alice", "lives_in", "Rome", namespace=ALICE)
    again = await talk.says("Alice lives in Paris.", origin, key="k")
    assert (again.outcome, again.episode.id) == ("echo", first.episode.id)
    with pytest.raises(InputError) as caught:
        await talk.says("Alice lives in Rome.", origin, key="k")
    assert caught.value.code == "idempotency_conflict"
    # Another key, another message.
    assert (await talk.says("Alice lives in Rome.", origin, key="l")).outcome == "new"
    if not of_fact:
        assert (await talk.says("Alice lives in Paris.", origin, key="m")).outcome == "new"


async def test_the_key_of_an_echo_goes_with_what_it_echoed(store: Store, talk: Talk) -> None:
    said = await talk.says("Alice lives in Paris.")
    await talk.recalls(said)
    assert (await talk.says("Alice lives in Paris.", key="k")).outcome == "echo"
    await Eraser(store).forget(namespace=ALICE, episodes=[said.episode.id])
    async with store.reading(ALICE) as partition:
        assert (await partition.execute(partition.rows(tables.recalled))).all() == []


async def test_recalling_twice_and_recalling_nothing(talk: Talk) -> None:
    said = await talk.says("My dog Rex is afraid of thunder.")
    await talk.recalls()
    await talk.recalls(said, said)
    await talk.recalls(said)
    assert (await talk.says(said.episode.text, Origin.TOOL)).outcome == "echo"

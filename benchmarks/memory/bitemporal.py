"""A synthetic world whose truth is known, told out of order, with repetitions and corrections.

    python benchmarks/memory/bitemporal.py [--updates 10000] [--seed 1] [--database URL]

Every subject moves, changes jobs, likes and stops liking things. The store is asked what held when,
and what it believed then; each answer is right or wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from treadle.core.database import Database, DatabaseUrl
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.facts import Facts
from treadle.memory.writing.statement import Statement
from treadle.testing import FakeClock

NAMESPACE = Namespace("world")
DAY = 86_400.0
FIRST_DAY, DAYS = 10_000, 9_000
CITIES = [f"{prefix}{name}" for prefix in ("", "New ", "San ") for name in
          ("Paris", "Rome", "Oslo", "Lima", "Kyoto", "Zürich", "Quito", "Accra")]  # fmt: skip
THINGS = ["tea", "jazz", "chess", "old films", "the sea", "rain", "long walks", "e-mail"]
ONE = ("lives_in", "works_at")


@dataclass
class World:
    """What is true. Kept in the plainest way there is: a list of changes for each respect.

    changes: of what is one at a time, by day.
    likes: days from which and up to which something was liked.
    """

    changes: dict[tuple[str, str], dict[int, str]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    likes: dict[tuple[str, str], list[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def one(self, subject: str, predicate: str, day: float) -> set[str]:
        """What holds on `day`: what began last."""
        begun = [each for each in self.changes[subject, predicate] if each <= day]
        return {self.changes[subject, predicate][max(begun)]} if begun else set()

    def liked(self, subject: str, day: float) -> set[str]:
        """What `subject` likes on `day`."""
        return {
            thing
            for (someone, thing), spans in self.likes.items()
            if someone == subject and any(start <= day < end for start, end in spans)
        }


def variant(chance: random.Random, text: str) -> str:
    """`text` as somebody else would write it."""
    ways = [text, text.upper(), f" {text} ", f"“{text}”", text.replace("ü", "u"), f"{text}."]
    return chance.choice(ways)


def updates(chance: random.Random, count: int) -> tuple[World, list[Statement]]:
    """A world, and `count` statements about it in any order; a third says what was said before."""
    world = World()
    fresh: list[Statement] = []
    subjects = [f"Person {number}" for number in range(max(2, count // 40))]
    while len(fresh) < count * 2 // 3:
        subject = chance.choice(subjects)
        day = FIRST_DAY + chance.randrange(DAYS)
        if chance.random() < 0.7:
            predicate = chance.choice(ONE)
            changes = world.changes[subject, predicate]
            if day in changes:
                continue
            changes[day] = chance.choice(CITIES)
            fresh.append(Statement(subject, predicate, changes[day], valid_from=day * DAY))
        else:
            thing, length = chance.choice(THINGS), chance.randrange(30, 900)
            spans = world.likes[subject, thing]
            if any(day <= end and start <= day + length for start, end in spans):
                continue
            spans.append((day, day + length))
            fresh.append(
                Statement(
                    subject, "likes", thing, valid_from=day * DAY, valid_to=(day + length) * DAY
                )
            )
    again = [
        Statement(
            variant(chance, each.subject),
            each.predicate,
            variant(chance, each.object),
            valid_from=each.valid_from,
            valid_to=each.valid_to,
        )
        for each in chance.choices(fresh, k=count - len(fresh))
    ]
    told = fresh + again
    chance.shuffle(told)
    return world, told


@dataclass
class Result:
    """What came out."""

    updates: int
    asked: int = 0
    wrong: int = 0
    known_asked: int = 0
    known_wrong: int = 0
    lost: int = 0
    live: int = 0
    duplicates: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether every bar is met."""
        few = self.duplicates <= self.live * 0.01
        return not (self.wrong or self.known_wrong or self.lost) and few


async def run(store: Store, clock: FakeClock, count: int, seed: int, batch: int = 50) -> Result:
    """Tell the world, then ask."""
    chance = random.Random(seed)
    world, told = updates(chance, count)
    facts = Facts(store)
    result = Result(len(told))
    begun = time.monotonic()
    remembered: list[tuple[float, str, float, set[str]]] = []
    for start in range(0, len(told), batch):
        clock.advance(60)
        await facts.tell_many(told[start : start + batch], namespace=NAMESPACE)
        if chance.random() < 0.2:
            subject = chance.choice(told[: start + batch]).subject.strip("“”. ").title()
            at = (FIRST_DAY + chance.randrange(DAYS)) * DAY
            found = await facts.facts(subject, namespace=NAMESPACE, as_of=at)
            remembered.append((clock.now() + 1, subject, at, {fact.text for fact in found}))
    result.seconds = time.monotonic() - begun
    subjects = sorted({subject for subject, _ in world.changes})
    for _ in range(max(200, count // 10)):
        await _ask(facts, world, chance, subjects, result)
    for known_at, subject, at, expected in remembered:
        then = await facts.facts(subject, namespace=NAMESPACE, as_of=at, known_at=known_at)
        result.known_asked += 1
        result.known_wrong += {fact.text for fact in then} != expected
    await _count(facts, world, result)
    return result


async def _ask(
    facts: Facts, world: World, chance: random.Random, subjects: list[str], result: Result
) -> None:
    subject = chance.choice(subjects)
    day = FIRST_DAY + chance.randrange(DAYS) + 0.5
    found = await facts.facts(subject, namespace=NAMESPACE, as_of=day * DAY)
    for predicate in (*ONE, "likes"):
        said = [_plain(fact.object) for fact in found if fact.predicate == predicate]
        truth = (
            world.liked(subject, day)
            if predicate == "likes"
            else world.one(subject, predicate, day)
        )
        result.asked += 1
        result.wrong += sorted(said) != sorted(_plain(each) for each in truth)


async def _count(facts: Facts, world: World, result: Result) -> None:
    """Whether all that is believed is there, and once."""
    timeline = await facts.timeline(namespace=NAMESPACE)
    result.live = len(timeline)
    starts: Counter[tuple[str, str, str, float]] = Counter()
    covered: dict[tuple[str, str], list[tuple[float, float, str]]] = defaultdict(list)
    for fact in timeline:
        assert fact.valid_from is not None
        subject = _plain(fact.subject)
        start = fact.valid_from.timestamp()
        end = fact.valid_to.timestamp() if fact.valid_to else float("inf")
        starts[subject, fact.predicate, _plain(fact.object), start] += 1
        covered[subject, fact.predicate].append((start, end, _plain(fact.object)))
    result.duplicates = sum(number - 1 for number in starts.values())
    for (someone, predicate), changes in world.changes.items():
        for day, obj in changes.items():
            result.lost += not _holds(covered[_plain(someone), predicate], day * DAY, obj)
    for (someone, thing), spans in world.likes.items():
        for day, _ in spans:
            result.lost += not _holds(covered[_plain(someone), "likes"], day * DAY, thing)


def _holds(spans: list[tuple[float, float, str]], at: float, obj: str) -> bool:
    return any(start <= at < end and what == _plain(obj) for start, end, what in spans)


def _plain(text: str) -> str:
    return text.strip("“”. ").casefold().replace("ü", "u")


async def main() -> int:
    """Print the figures; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--updates", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", help="a URL; a new SQLite file without")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(DatabaseUrl.parse(given.database or f"sqlite:///{folder}/world.db"))
        clock = FakeClock()
        try:
            result = await run(Store(database, clock), clock, given.updates, given.seed)
        finally:
            await database.close()
    right = 100 * (1 - result.wrong / result.asked)
    known = 100 * (1 - result.known_wrong / max(1, result.known_asked))
    print(f"bi-temporal suite, {result.updates} updates, seed {given.seed}")
    print(f"  as-of answers right       {right:.2f}% of {result.asked}")
    print(f"  known-at answers right    {known:.2f}% of {result.known_asked}")
    print(f"  facts lost                {result.lost}")
    print(f"  duplicates                {result.duplicates} of {result.live}")
    print(f"  seconds to tell           {result.seconds:.1f}")
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

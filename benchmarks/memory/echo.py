"""A conversation in which all that is recalled comes back, in every dress that it wears.

    python benchmarks/memory/echo.py [--turns 10000] [--seed 1] [--database URL]

People state facts; before every answer some are recalled into the prompt; answers, tool results and
whole prompts quote them and are handed to `remember`, as frameworks do. Junk is what is kept of
that though it says nothing new; lost is what a person said and is not there.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass

from treadle.core.database import Database, DatabaseUrl
from treadle.memory import tables
from treadle.memory.episode import Episode
from treadle.memory.hit import Hit
from treadle.memory.kinds import Origin
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.echo import EchoGuard
from treadle.memory.writing.episodes import Episodes

NAMESPACE = Namespace("talk")
THINGS = ["loom", "bicycle", "piano", "garden", "boat", "telescope", "kettle", "kite"]
COLOURS = ["red", "blue", "green", "black", "white", "brown"]
FRIENDS = ["Anna", "Bob", "Caroline", "Dmitri", "Elena", "Farid"]


def statement(chance: random.Random, number: int) -> str:
    """Something that a person says for the first time."""
    friend, thing = chance.choice(FRIENDS), chance.choice(THINGS)
    return chance.choice(
        [
            f"I bought a {chance.choice(COLOURS)} {thing} for {number} euros.",
            f"My friend {friend} and I met at platform {number} by the {thing} shop.",
            f"I have been to {friend}'s house number {number}, where she keeps a {thing}.",
        ]
    )


def dressed(chance: random.Random, texts: list[str]) -> tuple[Origin, str]:
    """What comes back of recalled texts, and from whom."""
    first = texts[0]
    swapped = f" {first} ".replace(" I ", " you ").replace("My ", "Your ").replace(" I'", " you'")
    told = swapped.strip()
    lines = "\n".join(f"- {each}" for each in texts)
    return chance.choice(
        [
            (Origin.ASSISTANT, first),
            (Origin.ASSISTANT, told),
            (Origin.ASSISTANT, f"As you told me, {told}"),
            (Origin.ASSISTANT, f"Of course! {told}"),
            (Origin.ASSISTANT, f"{told.rstrip('.')}, as you said."),
            (Origin.ASSISTANT, f"Here is what I remember:\n{lines}"),
            (Origin.TOOL, lines),
            (Origin.TOOL, first.upper()),
            (Origin.DOCUMENT, f"[2023-05-08] user: {first}"),
            (Origin.USER, first),
            (Origin.USER, lines),
        ]
    )


@dataclass
class Result:
    """What came out."""

    turns: int = 0
    said: int = 0
    echoes: int = 0
    junk: int = 0
    lost: int = 0
    kept: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether every bar is met."""
        return self.junk <= self.kept * 0.02 and not self.lost


async def run(store: Store, turns: int, seed: int) -> Result:
    """Talk for `turns` turns."""
    chance = random.Random(seed)
    episodes, guard = Episodes(store), EchoGuard(store)
    said: list[Episode] = []
    result = Result()
    begun = time.monotonic()
    while result.turns < turns:
        text = statement(chance, len(said))
        kept = await episodes.remember(text, namespace=NAMESPACE, actor="user", thread="t")
        result.turns += 1
        result.said += 1
        result.lost += kept.outcome != "new" or kept.episode.text != text
        said.append(kept.episode)
        for _ in range(min(3, turns - result.turns)):
            recalled = chance.sample(said, min(len(said), 3))
            await guard.note_recalled(NAMESPACE, [Hit(each, 1.0) for each in recalled])
            origin, back = dressed(chance, [each.text for each in recalled])
            echo = await episodes.remember(
                back, namespace=NAMESPACE, origin=origin, thread="t", actor=str(origin)
            )
            result.turns += 1
            result.echoes += 1
            result.junk += echo.outcome == "new"
    result.seconds = time.monotonic() - begun
    async with store.reading(NAMESPACE) as partition:
        rows = await partition.execute(partition.rows(tables.episode, tables.episode.c.text))
        there = list(rows.scalars())
    result.kept = len(there)
    result.lost += len({each.text for each in said} - set(there))
    return result


async def main() -> int:
    """Print the figures; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", help="a URL; a new SQLite file without")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(DatabaseUrl.parse(given.database or f"sqlite:///{folder}/talk.db"))
        try:
            result = await run(Store(database), given.turns, given.seed)
        finally:
            await database.close()
    print(f"echo replay, {result.turns} turns, seed {given.seed}")
    print(f"  said for the first time   {result.said}")
    print(f"  echoes handed in          {result.echoes}")
    print(f"  kept                      {result.kept}")
    print(f"  junk                      {result.junk} ({100 * result.junk / result.kept:.2f}%)")
    print(f"  of people's words lost    {result.lost}")
    print(f"  seconds                   {result.seconds:.1f}")
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

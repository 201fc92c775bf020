"""Kills writers at random points, and looks at what they leave."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.memory.crash.writer import NAMESPACE, text, worker

from treadle.core.database import Database, DatabaseUrl
from treadle.memory import tables
from treadle.memory.store import Store
from treadle.memory.writing.outbox import Outbox

WRITER = Path(__file__).parent / "writer.py"
SECONDS = 60
"""Generous: means that a process hangs."""


@dataclass
class Outcome:
    """What is wrong afterwards; all empty where nothing is."""

    kills: int = 0
    acknowledged: int = 0
    kept: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all that was acknowledged is there, once, and the outbox is empty."""
        return not (self.lost or self.doubled or self.broken)


def start(url: str, name: str, first: int, count: int, *more: str) -> subprocess.Popen[str]:
    """A writer of its own process."""
    command = [sys.executable, str(WRITER), url, name, str(first), str(count), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_writers(url: str, kills: int, seed: int, longest: float = 0.08) -> Outcome:
    """Start a writer, kill it while it works, and go on where it was; `kills` times."""
    chance = random.Random(seed)
    outcome = Outcome(kills=kills)
    sent, acknowledged = 0, set[int]()
    for _ in range(kills):
        # Again from the last one acknowledged: whether the next was kept, nobody knows.
        first = max(acknowledged, default=-1) + 1
        process = start(url, "writer", first, 100_000, "work")
        assert process.stdout is not None
        line = process.stdout.readline()
        if line:
            acknowledged.add(int(line))
            time.sleep(chance.uniform(0, longest))
        process.kill()
        said, errors = process.communicate(timeout=SECONDS)
        if "Error" in errors or not line:
            outcome.broken.append(errors[-500:] or "a writer said nothing")
        whole = said[: said.rfind("\n") + 1]
        acknowledged.update(int(number) for number in whole.split())
        sent = max(acknowledged) + 2
    outcome.acknowledged = len(acknowledged)
    asyncio.run(_look(url, acknowledged, sent, outcome))
    return outcome


async def _look(url: str, acknowledged: set[int], sent: int, outcome: Outcome) -> None:
    database = Database(DatabaseUrl.parse(url))
    store = Store(database)
    try:
        deadline = time.monotonic() + SECONDS
        while await Outbox(store).counts() and time.monotonic() < deadline:
            await worker(store).work_once()
            await asyncio.sleep(0.1)
        left = await Outbox(store).counts()
        if left:
            outcome.broken.append(f"the outbox has not drained: {left}")
        async with store.reading(NAMESPACE) as partition:
            episodes = (await partition.execute(partition.rows(tables.episode))).all()
            facts = (
                await partition.execute(
                    partition.rows(tables.fact).where(tables.fact.c.retired_at.is_(None))
                )
            ).all()
    finally:
        await database.close()
    outcome.kept = len(episodes)
    counted = Counter(row.text for row in episodes)
    outcome.lost = [text("writer", n) for n in acknowledged if text("writer", n) not in counted]
    outcome.doubled = [each for each, number in counted.items() if number > 1]
    expected = {text("writer", number) for number in range(sent)}
    outcome.broken += [f"nobody said {each!r}" for each in counted if each not in expected]
    spans = Counter((row.subject_id, row.predicate, row.valid_from) for row in facts)
    outcome.doubled += [f"fact {key}" for key, number in spans.items() if number > 1]


def write_together(url: str, processes: int, each: int) -> tuple[Outcome, float]:
    """Several processes that remember at once; with what is wrong, how many seconds they took."""
    outcome = Outcome()
    started = time.monotonic()
    writers = [start(url, f"w{number}", 0, each) for number in range(processes)]
    for writer in writers:
        said, errors = writer.communicate(timeout=SECONDS * 10)
        outcome.acknowledged += len(said.split())
        if writer.returncode or errors:
            outcome.broken.append(errors[-500:])
    seconds = time.monotonic() - started
    outcome.kept = asyncio.run(_kept(url))
    if outcome.kept != processes * each:
        outcome.lost.append(f"{processes * each - outcome.kept} episodes")
    return outcome, seconds


async def _kept(url: str) -> int:
    database = Database(DatabaseUrl.parse(url))
    try:
        async with Store(database).reading(NAMESPACE) as partition:
            return len((await partition.execute(partition.rows(tables.episode))).all())
    finally:
        await database.close()

"""A process that remembers, and says on its standard output what has been acknowledged.

    python writer.py URL NAME FIRST COUNT [work]

Each line is the number of a turn that `remember` has returned from. With `work` it draws facts from
the turns as well, beside remembering.
"""

from __future__ import annotations

import asyncio
import sys

from treadle.core.database import Database, DatabaseUrl
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.episodes import EXTRACT, Episodes
from treadle.memory.writing.extractor import Extractor
from treadle.memory.writing.outbox import Outbox
from treadle.memory.writing.worker import Handler, Worker

NAMESPACE = Namespace("crash")
CITIES = ("Paris", "Rome", "Oslo", "Kyoto", "Lima")


def key(name: str, number: int) -> str:
    """The idempotency key of a turn."""
    return f"{name}-{number}"


def text(name: str, number: int) -> str:
    """What is said in a turn: each moves the speaker on."""
    return (
        f"I moved to {CITIES[number % len(CITIES)]} in {1900 + number % 100}, says {name} {number}."
    )


async def remember(store: Store, name: str, first: int, count: int) -> None:
    """Remember turns one by one, and acknowledge each."""
    episodes = Episodes(store)
    for number in range(first, first + count):
        await episodes.remember(
            text(name, number),
            namespace=NAMESPACE,
            actor=name,
            thread=name,
            idempotency_key=key(name, number),
        )
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


def worker(store: Store, seconds: float = 2.0) -> Worker:
    """One whose leases run out soon after it was killed."""
    handler = Handler(Extractor(store).work, most=8, seconds=seconds, finishes=True)
    return Worker(Outbox(store, most_attempts=1000), {EXTRACT: handler}, poll_seconds=0.01)


async def main(url: str, name: str, first: int, count: int, *more: str) -> None:
    database = Database(DatabaseUrl.parse(url))
    store = Store(database)
    try:
        async with asyncio.TaskGroup() as group:
            working = group.create_task(worker(store).run()) if "work" in more else None
            await remember(store, name, first, count)
            if working is not None:
                working.cancel()
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:]))

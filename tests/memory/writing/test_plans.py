"""How SQLite carries out what writing and asking for facts look up: never through a namespace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from treadle.core.database import Database, DatabaseUrl
from treadle.memory.hit import Hit
from treadle.memory.kinds import Origin
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.memory.writing.draft import Draft
from treadle.memory.writing.echo import EchoGuard
from treadle.memory.writing.episodes import EXTRACT, Episodes
from treadle.memory.writing.extractor import Extractor
from treadle.memory.writing.facts import Facts
from treadle.memory.writing.outbox import Outbox
from treadle.memory.writing.worker import Handler, Worker

HOME = Namespace("home")


@pytest.fixture
def plans() -> Iterator[list[str]]:
    """What SQLite does for each query, from now on."""
    found: list[str] = []

    def explain(
        connection: object, cursor: Any, sql: str, parameters: Any, context: object, many: bool
    ) -> None:
        if sql.lower().startswith(("select", "update")) and not many:
            cursor.execute(f"explain query plan {sql}", parameters)
            found.extend(f"{row[3]} << {sql}" for row in cursor.fetchall())

    event.listen(Engine, "before_cursor_execute", explain)
    yield found
    event.remove(Engine, "before_cursor_execute", explain)


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store on SQLite."""
    database = Database(DatabaseUrl.parse(f"sqlite:///{tmp_path}/a.db"))
    yield Store(database)
    await database.close()


async def test_no_statement_goes_through_a_namespace(sqlite_store: Store, plans: list[str]) -> None:
    store = sqlite_store
    episodes, facts = Episodes(store), Facts(store)
    worker = Worker(Outbox(store), {EXTRACT: Handler(Extractor(store).work)}, clock=store.clock)
    # Many at once: a few numbers are looked up anyhow.
    texts = [f"I like tea number {at}. My dog is called Rex." for at in range(30)]
    drafts = [Draft(each, thread="t", actor="Ada") for each in texts]
    kept = await episodes.remember_many(drafts, namespace=HOME)
    await worker.work_once()
    await EchoGuard(store).note_recalled(HOME, [Hit(each.episode, 1.0) for each in kept])
    echo = await episodes.remember(" ".join(texts), namespace=HOME, thread="t", actor="Ada")
    back = "Your dog is called Rex. You like tea number 7."
    await episodes.remember(back, namespace=HOME, thread="t", origin=Origin.ASSISTANT)
    for text in ("I live in Rome.", "No, it's actually Lisbon.", "I never lived in Lisbon."):
        await episodes.remember(text, namespace=HOME, thread="t", actor="Ada")
        await worker.work_once()
    found = await facts.facts("Ada", namespace=HOME)
    await facts.timeline("Ada's dog", namespace=HOME)
    told = await facts.tell("Ada", "owns", "a loom", namespace=HOME, sources=[kept[0].episode.id])
    await facts.end("Ada", "owns", "a loom", namespace=HOME)
    await facts.retract(told.fact.id, namespace=HOME)
    assert echo.outcome == "echo"
    assert len(found) > 30
    assert len(plans) > 100
    for plan in plans:
        if "outbox" not in plan:  # it is short
            assert "(namespace_id=?) <<" not in plan
            assert "SCAN episode" not in plan
            assert "SCAN fact" not in plan

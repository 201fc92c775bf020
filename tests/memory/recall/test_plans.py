"""How SQLite carries out what recall asks: by numbers, never through a whole namespace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from treadle.core.database import Database, DatabaseUrl
from treadle.memory.fact import Fact
from treadle.memory.namespace import Namespace
from treadle.memory.recall import Recaller
from treadle.memory.store import Store
from treadle.memory.writing.draft import Draft
from treadle.memory.writing.episodes import Episodes
from treadle.memory.writing.facts import Facts

HOME = Namespace("home")
MOST_STATEMENTS = 9


@pytest.fixture
def plans() -> Iterator[list[str]]:
    """What SQLite does for each statement, from now on."""
    found: list[str] = []

    def explain(
        connection: object, cursor: Any, sql: str, parameters: Any, context: object, many: bool
    ) -> None:
        if sql.lower().startswith("select"):
            cursor.execute(f"explain query plan {sql}", parameters)
            found.append("\n".join(str(row[3]) for row in cursor.fetchall()))

    event.listen(Engine, "before_cursor_execute", explain)
    yield found
    event.remove(Engine, "before_cursor_execute", explain)


async def test_no_statement_goes_through_a_namespace(tmp_path: Path, plans: list[str]) -> None:
    database = Database(DatabaseUrl.parse(f"sqlite:///{tmp_path}/a.db"))
    store = Store(database)
    drafts = [Draft(f"Turn {at} about tea.", thread="t", actor="Ann") for at in range(30)]
    kept = await Episodes(store).remember_many(drafts, namespace=HOME)
    await Facts(store).tell("Ann", "likes", "tea", namespace=HOME, sources=[kept[0].episode.id])
    plans.clear()
    found = await Recaller(store).recall("who likes tea?", namespace=HOME)
    assert len(found.hits) == 10
    assert any(isinstance(hit.item, Fact) for hit in found.hits)
    assert 4 <= len(plans) <= MOST_STATEMENTS
    for plan in plans:
        assert "(namespace_id=?)" not in plan
        assert "SCAN episode" not in plan
        assert "SCAN fact" not in plan
    await database.close()

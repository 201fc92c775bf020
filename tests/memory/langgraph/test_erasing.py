"""Finding and deleting what a text stands in."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage
from tests.core.database.old import rows
from tests.memory.langgraph.conftest import at, keep

from treadle.core.database import Database, DatabaseUrl
from treadle.memory.langgraph import TreadleCheckpointer, TreadleStore
from treadle.memory.langgraph.erasing import (
    erase_items,
    erase_tenant,
    erase_threads,
    items_containing,
    threads_containing,
)

TABLES = ("checkpoint", "checkpoint_value", "checkpoint_write", "store_item", "store_vector")


def counts(url: str) -> list[object]:
    return [rows(url, f"select count(*) from {table}")[0][0] for table in TABLES]


@pytest.mark.parametrize("subject", ["Zoë Canary", 'Ann "O\'" Q\n2', "日本太郎"])
async def test_threads_and_items_of_a_subject_go(
    saver: TreadleCheckpointer, items: TreadleStore, database_url: str, subject: str
) -> None:
    said = f"I know {subject} well"
    keep(saver, at("in a value"), messages=[HumanMessage(said)])
    keep(saver, at("in bytes"), raw=said.encode())
    config = keep(saver, at("in a write"), n=1)
    saver.put_writes(config, [("n", {"deep": [said.upper()]})], "task")
    keep(saver, at(f"of {subject}"), n=1)
    config = keep(saver, at("in metadata"), n=1)
    config["metadata"] = {"who": subject}
    keep(saver, config, 1, n=2)
    keep(saver, at("of another"), n="nobody")
    items.put(("notes",), "value", {"deep": [{"said": said}]})
    items.put(("notes", subject.replace("\n", " ").replace(".", "")), "k", {"n": 1})
    items.put(("notes",), "other", {"n": 1})
    database = Database(DatabaseUrl.parse(database_url))
    try:
        async with database.writing() as connection:
            threads = await threads_containing(connection, "local", [subject])
            assert set(threads) == {
                "in a value", "in bytes", "in a write", f"of {subject}", "in metadata",
            }  # fmt: skip
            assert await threads_containing(connection, "other", [subject]) == []
            assert await threads_containing(connection, "local", [""]) == []
            assert await erase_threads(connection, "local", threads) == 6
            found = await items_containing(connection, "local", [subject, "no such text"])
            assert ("notes",) in {each.namespace for each in found}
            assert "other" not in {each.key for each in found}
            assert await erase_items(connection, "other", [each.item_id for each in found]) == 0
            assert await erase_items(connection, "local", [each.item_id for each in found]) == len(
                found
            )
        left = [each.config.get("configurable", {}) for each in saver.list(None)]
        assert [each["thread_id"] for each in left] == ["of another"]
        assert items.get(("notes",), "other") is not None
        async with database.writing() as connection:
            assert await erase_tenant(connection, "other") == 0
            assert await erase_tenant(connection, "local") > 0
    finally:
        await database.close()
    assert counts(database_url) == [0] * 5

"""A run of which something was erased: it is shown, and says what it lacks when it is to go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.crashing import open_runtime

from treadle import Plan
from treadle.core.database import DatabaseUrl
from treadle.core.errors import RunError
from treadle.executor.journal import Journal
from treadle.executor.journal.erasure import JournalErasure
from treadle.memory.erasure.sought import Sought

NAME = "Zuleikha Quartermaine"


def plan_of(text: str) -> Plan:
    return Plan.from_wire(
        {
            "steps": [
                {"id": "a", "tool": "look", "args": {"x": text}},
                {"id": "b", "tool": "fail", "args": {"x": "${a}"}},
            ]
        }
    )


async def test_an_erased_run_is_shown_and_does_not_go_on(database_url: str, tmp_path: Path) -> None:
    (tmp_path / f"fail-dear {NAME}").touch()
    async with open_runtime(database_url, tmp_path) as runtime:
        result = await runtime.run(plan_of(f"dear {NAME}"))
        assert result.status == "failed"
        journal = Journal(DatabaseUrl.parse(database_url))
        try:
            done = await JournalErasure(journal.database).purge(Sought([NAME]))
            assert done["event"] >= 3
            assert NAME not in str(await journal.events("run-1"))
        finally:
            await journal.close()
    async with open_runtime(database_url, tmp_path) as runtime:
        with pytest.raises(RunError) as caught:
            await runtime.resume("run-1")
        assert caught.value.code == "payload_erased"

"""A process that dies while the plan is still being written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.life import KillAt, live
from tests.crash.worker import Job
from tests.crash.world import World
from treadle.core.events import PlanReady
from treadle.executor.journal.codec import decode


@pytest.mark.timeout(60)
@pytest.mark.parametrize("effect", ["undoable", "put", "write"])
def test_an_effect_does_not_happen_before_the_plan_is_recorded(tmp_path: Path, effect: str) -> None:
    first = {"id": "first", "tool": effect, "args": {"name": "first", "x": []}}
    later = [
        {"id": f"s{i}", "tool": "look", "args": {"name": f"s{i}", "x": ["a" * 500]}}
        for i in range(30)
    ]
    plan = {"steps": [first, *later], "answer": "${s29}"}
    job = Job(
        url=f"sqlite:///{tmp_path}/runs.db",
        folder=tmp_path,
        run_id="run-1",
        life=1,
        plan=plan,
        planned=True,
        max_parallel=4,
        pace=200,  # the plan takes seconds: it is not complete, however late the kill comes
    )
    killed = live(job, KillAt(events=8, seconds=0))
    assert killed.killed
    kinds = [type(decode(tuple(row))) for row in killed.rows]
    assert PlanReady not in kinds
    assert not World(tmp_path).effects()

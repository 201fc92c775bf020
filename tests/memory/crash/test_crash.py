"""Nothing that was acknowledged is lost by a kill, and nothing is doubled."""

from __future__ import annotations

import pytest
from tests.memory.crash.killing import kill_writers, write_together


@pytest.mark.timeout(240)  # processes that start take their time on a busy machine
def test_kills_lose_and_double_nothing(database_url: str) -> None:
    outcome = kill_writers(database_url, kills=4, seed=1)
    assert outcome.good, outcome
    assert outcome.acknowledged >= 4


@pytest.mark.timeout(240)  # processes that start take their time on a busy machine
def test_processes_write_together(database_url: str) -> None:
    outcome, _ = write_together(database_url, processes=3, each=20)
    assert outcome.good, outcome
    assert outcome.acknowledged == 60

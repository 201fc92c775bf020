"""Kills at random instants: nothing acknowledged is lost, no effect happens twice, none is missing.

`python -m tests.crash.driver` does the same at length.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.driver import drive

KILLS = 3

pytestmark = pytest.mark.timeout(120)  # many processes, on a machine that may be busy


@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_sqlite(tmp_path: Path, seed: int) -> None:
    report = drive(tmp_path, kills=KILLS, seed=seed)
    assert report.violations == []
    assert report.kills.total() == KILLS


@pytest.mark.parametrize("seed", [21, 22])
def test_postgresql(tmp_path: Path, seed: int, postgres_url: str) -> None:
    report = drive(tmp_path, kills=KILLS, seed=seed, database=postgres_url)
    assert report.violations == []
    assert report.kills.total() == KILLS

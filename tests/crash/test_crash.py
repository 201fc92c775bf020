"""Kills at random instants: nothing acknowledged is lost, no effect happens twice, none is missing.

`python -m tests.crash.driver` does the same at length.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.driver import drive

KILLS = 3


@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_sqlite(tmp_path: Path, seed: int) -> None:
    report = drive(tmp_path, kills=KILLS, seed=seed)
    assert report.violations == []
    assert report.kills.total() == KILLS


@pytest.fixture
def postgres(request: pytest.FixtureRequest) -> str:
    try:
        url: str = request.getfixturevalue("postgres_url")
    except pytest.FixtureLookupError:
        pytest.skip("there is no fixture postgres_url")
    return url


@pytest.mark.parametrize("seed", [21, 22])
def test_postgresql(tmp_path: Path, seed: int, postgres: str) -> None:
    report = drive(tmp_path, kills=KILLS, seed=seed, database=postgres)
    assert report.violations == []
    assert report.kills.total() == KILLS

"""Ids that sort and cannot be guessed; times that read the same everywhere."""

from __future__ import annotations

import pytest

from treadle.core.clock import Clock, SystemClock, iso_time
from treadle.core.ids import STEP_ID, TOOL_NAME, new_run_id
from treadle.testing import FakeClock


def test_run_ids_are_unique_and_sort_by_their_time() -> None:
    ids = [new_run_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    stamps = [each[:15] for each in ids]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("name", ["a", "_", "step-1", "A_b-9"])
def test_step_ids(name: str) -> None:
    assert STEP_ID.fullmatch(name)


@pytest.mark.parametrize("name", ["", "1a", "a.b", "a b", "ä", "a\n", "-a"])
def test_what_is_no_step_id(name: str) -> None:
    assert not STEP_ID.fullmatch(name)


def test_tool_names_may_have_dots_and_end_somewhere() -> None:
    assert TOOL_NAME.fullmatch("fs.read")
    assert not TOOL_NAME.fullmatch("x" * 129)


async def test_the_system_clock_moves() -> None:
    clocks: list[Clock] = [SystemClock(), FakeClock()]
    for clock in clocks:
        before = clock.monotonic()
        await clock.sleep(0)
        assert clock.monotonic() >= before
        assert clock.now() > 1_700_000_000


def test_times_are_iso_8601_in_utc() -> None:
    assert iso_time(0.5) == "1970-01-01T00:00:00.500000+00:00"

"""Time moves when it is told to."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.testing import FakeClock


async def test_sleep_returns_when_its_time_has_come() -> None:
    clock = FakeClock(start=1000)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(clock.sleep(5))
        await clock.wait_for_sleepers()
        clock.advance(4.5)
        await asyncio.sleep(0)
        assert not task.done()
        assert clock.sleepers == 1
        clock.advance(0.5)
    assert clock.monotonic() == 5
    assert clock.now() == 1005
    assert clock.sleepers == 0


async def test_no_sleep_takes_no_time() -> None:
    clock = FakeClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    assert clock.monotonic() == 0


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = FakeClock()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(clock.sleep(5))
        await clock.wait_for_sleepers()
        task.cancel()
    assert clock.sleepers == 0
    clock.advance(10)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_time_does_not_go_back(seconds: float) -> None:
    with pytest.raises(ValueError, match="go back"):
        FakeClock().advance(seconds)


@given(durations=st.lists(st.integers(1, 20), max_size=10), step=st.integers(1, 25))
def test_sleepers_wake_in_the_order_of_their_times(durations: list[int], step: int) -> None:
    async def scenario() -> list[int]:
        clock, woken = FakeClock(), []

        async def sleeper(seconds: int) -> None:
            await clock.sleep(seconds)
            assert clock.monotonic() >= seconds
            woken.append(seconds)

        async with asyncio.TaskGroup() as group:
            for seconds in durations:
                group.create_task(sleeper(seconds))
            await clock.wait_for_sleepers(len(durations))
            while clock.sleepers:
                clock.advance(step)
                await asyncio.sleep(0)
        return woken

    assert asyncio.run(scenario()) == sorted(durations)

"""The log numbers events, and every follower sees all of them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from hypothesis import given
from hypothesis import strategies as st

from treadle.core.event_log import EventLog
from treadle.core.events import AnswerDelta, Event, RunFinished, RunStarted
from treadle.testing import FakeClock


def test_events_are_numbered_and_dated() -> None:
    clock = FakeClock(start=100)
    log = EventLog("run_1", clock)
    log.append(RunStarted())
    clock.advance(2)
    finished = log.append(RunFinished(status="succeeded"))
    assert [(event.run_id, event.seq, event.at) for event in log.events] == [
        ("run_1", 0, 100),
        ("run_1", 1, 102),
    ]
    assert finished is log.events[1]


@given(starts=st.lists(st.integers(0, 12), max_size=5), bursts=st.lists(st.integers(0, 3)))
def test_every_follower_sees_every_event_in_order(starts: list[int], bursts: list[int]) -> None:
    async def scenario() -> tuple[list[list[Event]], list[Event]]:
        log = EventLog("run_1", FakeClock())
        seen: list[list[Event]] = []

        async def follow() -> None:
            mine: list[Event] = []
            seen.append(mine)
            async for event in log.follow():
                mine.append(event)

        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            # Followers join at any time, the last ones after the end.
            for turn in range(13):
                for start in starts:
                    if start == turn:
                        group.create_task(follow())
                for _ in range(dict(enumerate(bursts[:11])).get(turn, 0)):
                    log.append(AnswerDelta(text=str(turn)))
                if turn == 10:
                    log.append(RunFinished(status="succeeded"))
                await asyncio.sleep(0)
        return seen, log.events

    seen, events = asyncio.run(scenario())
    assert seen == [events] * len(starts)


async def test_a_follower_that_leaves_does_not_disturb_the_others() -> None:
    log = EventLog("run_1", FakeClock())
    log.append(RunStarted())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:

        async def follow_all() -> int:
            return len([event async for event in log.follow()])

        staying = group.create_task(follow_all())
        leaving = group.create_task(follow_all())
        await asyncio.sleep(0)
        leaving.cancel()
        async with aclosing(log.follow()) as events:  # type: ignore[type-var]
            async for _ in events:
                break
        log.append(AnswerDelta(text="x"))
        log.append(RunFinished(status="failed"))
        assert await staying == 3
    assert leaving.cancelled()

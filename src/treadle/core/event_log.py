"""The append-only log of one run, and how to follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from treadle.core.clock import Clock
from treadle.core.events import Event, RunFinished, RunWaiting

EventT = TypeVar("EventT", bound=Event)


class EventLog:
    """The events of one run, in order. Append from the event loop's thread only."""

    __slots__ = ("_changed", "_clock", "events", "run_id")

    def __init__(self, run_id: str, clock: Clock) -> None:
        self.run_id = run_id
        self.events: list[Event] = []
        self._clock = clock
        self._changed: list[asyncio.Event] = []

    def append(self, event: EventT) -> EventT:
        """Number and date `event`, keep it and wake the followers."""
        # object.__setattr__ and not dataclasses.replace: the event is not shared yet, and replace
        # costs 2 us per event.
        set_field = object.__setattr__
        set_field(event, "run_id", self.run_id)
        set_field(event, "seq", len(self.events))
        set_field(event, "at", self._clock.now())
        self.events.append(event)
        for changed in self._changed:
            changed.set()
        return event

    async def follow(self, position: int = 0) -> AsyncIterator[Event]:
        """All events from `position` on, until the run has finished or waits for a person."""
        changed = asyncio.Event()
        self._changed.append(changed)
        try:
            while True:
                while position < len(self.events):
                    event = self.events[position]
                    position += 1
                    yield event
                    if isinstance(event, RunFinished | RunWaiting):
                        return
                changed.clear()
                if position == len(self.events):
                    await changed.wait()
        finally:
            self._changed.remove(changed)

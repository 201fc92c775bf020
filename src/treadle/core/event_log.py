"""The append-only log of one run, and how to follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

from treadle.core.clock import Clock
from treadle.core.events import Event, RunFinished, RunResumed, RunWaiting

if TYPE_CHECKING:
    from treadle.core.erasing import Erasing

EventT = TypeVar("EventT", bound=Event)


class Recorder(Protocol):
    """Keeps the events of a run where they outlive the process; see `treadle.executor.journal`."""

    def record(self, event: Event, durable: bool, soon: bool) -> None:
        """Keep `event`; the log is told by `EventLog.publish` when it is kept.

        durable: so that it survives a power cut, not only the end of the process.
        soon: in this turn of the loop; else with what comes next, or in a moment.
        """
        ...

    def flush(self) -> None:
        """Keep everything recorded so far at once, where that takes no wait."""
        ...

    async def durable(self) -> None:
        """Return when everything recorded so far survives a power cut.

        Raises RunError where it cannot be kept: nothing may be done on the strength of it then.
        """
        ...


class EventLog:
    """The events of one run, in order. Append from the event loop's thread only.

    recorder: keeps them; followers see an event once it is kept. In memory only by default.
    """

    __slots__ = (
        "_changed",
        "_clock",
        "_from",
        "_published",
        "erasures",
        "events",
        "loop",
        "observer",
        "recorder",
        "run_id",
    )

    def __init__(
        self,
        run_id: str,
        clock: Clock,
        recorder: Recorder | None = None,
        events: Iterable[Event] = (),
    ) -> None:
        self.run_id = run_id
        self.recorder = recorder
        self.loop: asyncio.AbstractEventLoop | None = None
        """Where the run goes on; None before it does."""
        self.observer: Callable[[Event], None] | None = None
        """Told of each event as it is added."""
        self.erasures: dict[object, Erasing] = {}
        """What was erased while the run went on, by who did it; see `treadle.core.erasing`."""
        self.events: list[Event] = list(events)
        self._published = len(self.events)
        # With a recorder the run goes on after them: no end among them is the last.
        self._from = 0 if recorder is None else len(self.events)
        self._clock = clock
        self._changed: list[asyncio.Event] = []

    def now(self) -> float:
        """Seconds since 1970, by the clock of this log."""
        return self._clock.now()

    def append(self, event: EventT, *, durable: bool = False, soon: bool = True) -> EventT:
        """Number and date `event`, keep it and wake the followers. See `Recorder.record`."""
        # object.__setattr__ and not dataclasses.replace: the event is not shared yet, and replace
        # costs 2 us per event.
        set_field = object.__setattr__
        set_field(event, "run_id", self.run_id)
        set_field(event, "seq", len(self.events))
        set_field(event, "at", self._clock.now())
        self.events.append(event)
        if self.observer is not None:
            self.observer(event)
        if self.recorder is not None:
            self.recorder.record(event, durable, soon)
        elif self._changed:
            self.publish(len(self.events))
        return event

    def publish(self, count: int) -> None:
        """The first `count` events are kept: followers may see them."""
        self._published = count
        for changed in self._changed:
            changed.set()

    def is_kept(self, seq: int) -> bool:
        """Whether event number `seq` outlives the process, if anything does."""
        return self.recorder is None or seq < self._published

    def flush(self) -> None:
        """Keep everything so far at once; see `Recorder.flush`."""
        if self.recorder is not None:
            self.recorder.flush()

    async def durable(self) -> None:
        """Return when everything so far survives; see `Recorder.durable`."""
        if self.recorder is not None:
            await self.recorder.durable()

    async def follow(self, position: int = 0) -> AsyncIterator[Event]:
        """All events from `position` on, until the run has finished or waits for a person."""
        changed = asyncio.Event()
        self._changed.append(changed)
        try:
            while True:
                while position < self._visible():
                    event = self.events[position]
                    position += 1
                    yield event
                    if isinstance(event, RunFinished | RunWaiting) and self._ends_at(position):
                        return
                changed.clear()
                if position == self._visible():
                    await changed.wait()
        finally:
            self._changed.remove(changed)

    def _ends_at(self, position: int) -> bool:
        """Whether the run has not gone on after the end, or the wait, before `position`."""
        if position <= self._from:
            return False
        later = self.events[position:]
        return not later or not any(isinstance(event, RunResumed) for event in later)

    def _visible(self) -> int:
        return len(self.events) if self.recorder is None else self._published

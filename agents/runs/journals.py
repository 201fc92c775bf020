"""The journals of a Runtime: one for each event loop that it is used in."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from treadle.core.durations import ToolDurations
from treadle.core.errors import ConfigError, TreadleError

if TYPE_CHECKING:
    from treadle.agents.runs.past_plans import PastPlans
    from treadle.executor.journal import Journal

_GRACE = 0.05
"""Seconds after the start of the first run in which nothing is read for later ones."""

_log = logging.getLogger("treadle.runs")


class Journals:
    """Opens the journal of the running event loop when it is first asked for.

    url: of the database; None where runs are in memory only. Raises ConfigError for a bad one.
    durations: told how long calls took in the runs that are recorded there.
    past: told which tools they used, where that matters.
    """

    def __init__(self, url: str | None, durations: ToolDurations, past: PastPlans) -> None:
        self._url = url
        self._durations = durations
        self._past = past
        self._learning: dict[
            asyncio.AbstractEventLoop, tuple[asyncio.Task[None], asyncio.Event]
        ] = {}
        self._learned = False
        self._by_loop: dict[asyncio.AbstractEventLoop, Journal] = {}
        if url is not None:
            from treadle.core.database.url import DatabaseUrl

            DatabaseUrl.parse(url)

    @property
    def here(self) -> Journal | None:
        """The journal of the running event loop; None where runs are in memory only."""
        if self._url is None:
            return None
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        if found is None:
            from treadle.core.database.url import DatabaseUrl
            from treadle.executor.journal import Journal

            found = self._by_loop[loop] = Journal(DatabaseUrl.parse(self._url))
        return found

    def required(self) -> Journal:
        """The journal of the running event loop. Raises ConfigError (`no_database`)."""
        journal = self.here
        if journal is None:
            raise ConfigError("no_database", "runs are in memory only: name a database")
        return journal

    def learn(self) -> None:
        """Begin to read how long calls took, the first time; runs start without waiting for it."""
        journal = self.here
        if journal is None or self._learned:
            return
        self._learned = True
        loop = asyncio.get_running_loop()
        now = asyncio.Event()
        self._learning[loop] = (loop.create_task(self._learn(journal, now)), now)

    async def learned(self) -> None:
        """Return when what is recorded there is known."""
        self.learn()
        learning = self._learning.get(asyncio.get_running_loop())
        if learning is not None:
            learning[1].set()
            await asyncio.wait([learning[0]])

    async def _learn(self, journal: Journal, now: asyncio.Event) -> None:
        # The run that begins now is not to share the loop with this; a short one never does.
        with suppress(TimeoutError):
            await asyncio.wait_for(now.wait(), _GRACE)
        if asyncio.get_running_loop() not in self._learning:
            self._learned = False  # closed meanwhile: there is nobody to learn for
            return
        from treadle.executor.journal.durations import recorded_durations

        try:
            self._durations.seed(await recorded_durations(journal.database))
            if self._past.matter:
                await self._past.learn(journal.database)
        except TreadleError as error:
            # Estimates are all that is lost; who needs the database will say what is wrong.
            _log.info("earlier runs cannot be read: %s", error)

    async def close_here(self) -> None:
        """Write what is left in the running event loop, and close its connections."""
        learning = self._learning.pop(asyncio.get_running_loop(), None)
        if learning is not None:
            learning[1].set()
            # Not cancelled: a query that is cut short leaves its connection behind.
            await asyncio.wait([learning[0]])
        journal = self._by_loop.pop(asyncio.get_running_loop(), None)
        if journal is not None:
            await journal.close()

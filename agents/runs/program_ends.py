"""Tells models that a run is over, off the way of whoever waits for its result."""

from __future__ import annotations

import asyncio
import logging
from weakref import WeakKeyDictionary

from treadle.core.errors import TreadleError
from treadle.core.program import Program

SECONDS = 3.0
"""After which a model that is told of an end is given up."""

_log = logging.getLogger("treadle.runs")


class ProgramEnds:
    """Tells the models that a run has called and that want to know; see `ProgramAware`."""

    def __init__(self) -> None:
        self._telling: WeakKeyDictionary[asyncio.AbstractEventLoop, set[asyncio.Task[None]]]
        self._telling = WeakKeyDictionary()

    def tell(self, program: Program) -> None:
        """Begin to tell that `program` is over; nobody waits for it."""
        if not program.called:
            return
        loop = asyncio.get_running_loop()
        telling = self._telling.setdefault(loop, set())
        task = loop.create_task(_tell(program))
        telling.add(task)
        task.add_done_callback(telling.discard)

    async def settle(self, seconds: float = SECONDS) -> None:
        """Wait for what is under way in this event loop; end what is not done after `seconds`."""
        telling = self._telling.pop(asyncio.get_running_loop(), None)
        if not telling:
            return
        _, late = await asyncio.wait(list(telling), timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=seconds)


async def _tell(program: Program) -> None:
    for model in list(program.called.values()):
        try:
            async with asyncio.timeout(SECONDS):
                await model.program_ended(program.run_id)
        except (TreadleError, OSError) as error:
            # Nothing rests on it: what a server keeps expires by itself.
            _log.debug("%s: its end could not be told: %s", program.run_id, error)

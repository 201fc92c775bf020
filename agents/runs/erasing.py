"""After a run in which something was erased: it goes from what the run has written as well.

The task, the arguments of the call and the answer tell of it, and as a rule they are written after
the erasure. This is done at the end of every run, whoever has erased: a tool of memory, one of the
user's, an agent, a run within the run.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from treadle.core.errors import RunError, TreadleError

if TYPE_CHECKING:
    from treadle.agents.runs.recorded import Origin
    from treadle.core.erasing import Place
    from treadle.core.event_log import EventLog
    from treadle.tools.artifacts import ArtifactStore

ERASING_SECONDS = 120.0
"""After which it is left for whoever forgets next."""

_log = logging.getLogger("treadle.memory")


async def erase_again(
    log: EventLog, origin: Origin, artifacts: ArtifactStore
) -> TreadleError | None:
    """Look through the record of the run, and all that the erasers know; why that failed."""
    around = origin.parent
    if around is not None:
        # The run around this one has the arguments and what came of it; its own end is to come.
        around.log.erasures.update(log.erasures)
    places: list[Place] = []
    if origin.journal is not None:
        from treadle.executor.journal.erasure import JournalErasure

        folder = artifacts.folder
        places.append(JournalErasure(origin.journal.database, folder, {log.run_id}))
    failure: TreadleError | None = None
    for each in list(log.erasures.values()):
        try:
            async with asyncio.timeout(ERASING_SECONDS):
                await each.again(places)
        except TreadleError as error:
            failure = error
        except TimeoutError:
            failure = RunError("erasure_pending", f"not done within {ERASING_SECONDS:g} s")
    if failure is not None:
        _log.error(
            "what was forgotten may stand in the record of %s still: %s", log.run_id, failure
        )
    return failure

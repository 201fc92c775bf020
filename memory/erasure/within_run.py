"""What a run has erased is looked for again when it has written its last.

While it goes on its task, its arguments and its answer are written into its record, and into that
of the runs and conversations around it: as a rule after the erasure.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from treadle.core.erasing import Place
from treadle.core.program import current_program
from treadle.memory.erasure.traces import Traces


class ErasedWithin:
    """What one Eraser has erased within one run. `treadle.core.erasing.Erasing` describes it.

    look: through everything that the Eraser knows, and through the places.
    """

    def __init__(self, look: Callable[[Traces, Sequence[Place]], Awaitable[None]]) -> None:
        self._look = look
        self._all: list[Traces] = []

    def add(self, traces: Traces) -> None:
        """Of one call; they may still grow."""
        self._all.append(traces)

    async def again(self, places: Sequence[Place] = ()) -> None:
        """Look through everything again. Raises what looking does."""
        together = Traces()
        for each in self._all:
            together.join(each)
        await self._look(together, places)


def tell_run(
    owner: object, traces: Traces, look: Callable[[Traces, Sequence[Place]], Awaitable[None]]
) -> None:
    """Let the run that the current task works for know what is erased; nothing outside of runs."""
    program = current_program.get()
    if program is None:
        return
    within = program.log.erasures.setdefault(owner, ErasedWithin(look))
    assert isinstance(within, ErasedWithin)
    within.add(traces)

"""The critical path through what really happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lived:
    """When a step lived: `started` is None for one that never ran (it was skipped, say).

    finished: None while it runs.
    rank: the number of the event that ended it; it orders ends that the clock cannot tell apart.
    """

    needs: tuple[str, ...]
    started: float | None
    finished: float | None
    rank: int


def critical_chain(steps: Mapping[str, Lived]) -> tuple[str, ...]:
    """The steps that determined the makespan, first to last; empty where none has started.

    Backwards from the step that ended last: before each step stands that of its needs which ended
    last, because the step could not start earlier. What still runs has not ended: among several
    such steps the one that began first is taken.
    """
    begun = [step_id for step_id, lived in steps.items() if lived.started is not None]
    if not begun:
        return ()
    chain = [max(begun, key=lambda step_id: _order(steps[step_id]))]
    seen = set(chain)
    while True:
        ended = [
            need
            for need in steps[chain[-1]].needs
            if need in steps and need not in seen and steps[need].finished is not None
        ]
        if not ended:
            return tuple(reversed(chain))
        chain.append(max(ended, key=lambda step_id: steps[step_id].rank))
        seen.add(chain[-1])


def _order(lived: Lived) -> tuple[bool, float]:
    if lived.finished is None:
        return True, -(lived.started or 0.0)
    return False, lived.rank

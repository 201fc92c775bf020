"""What may be said of the calls that follow a model call of an agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from treadle.core.program import Outlook, current_program


@contextmanager
def unforeseen(*, whether: bool) -> Iterator[None]:
    """Model calls in here say what follows the agent, and not which tool it will want next.

    That, and whether it wants any, nobody knows before the model has said it: no call is named the
    last. How many calls are still to come is the executor's estimate: what the same agent's tasks
    took lately, in the median, less those made so far; of an agent that was never seen, nothing.

    whether: else nothing changes, as for an agent without tools: its one call is all it makes.
    """
    program = current_program.get()
    if not whether or program is None or program.outlook is None:
        yield
        return
    token = current_program.set(replace(program, outlook=_without_tool(program.outlook)))
    try:
        yield
    finally:
        current_program.reset(token)


def _without_tool(outlook: Callable[[], Outlook]) -> Callable[[], Outlook]:
    def unknown() -> Outlook:
        known = outlook()
        return replace(
            known,
            next_tool=None,
            next_tool_seconds=None,
            next_tool_pattern=None,
            # Of a new agent better nothing than too few: those with few calls left go first.
            remaining_calls=known.remaining_calls if known.calls_seen else None,
            last_call=False,
        )

    return unknown

"""What the end of a run takes, however it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from treadle.core.chat import Usage
from treadle.core.errors import InputError
from treadle.core.events import ChildRunFinished, Event, ModelCalled, RunStatus
from treadle.core.invalid import reason_of
from treadle.core.json_value import JsonValue
from treadle.executor import Execution
from treadle.executor.node import State

_STATUS: dict[State, RunStatus] = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.WAITING: "waiting",
}


def status_of(state: State, *, paused: bool) -> RunStatus:
    """The status of a run whose execution has ended in `state`."""
    return "paused" if paused and state is State.WAITING else _STATUS[state]


async def stop(execution: Execution) -> None:
    """End what runs, however often the waiting itself is cancelled; bounded by its grace."""
    execution.stop()
    waiting = asyncio.ensure_future(execution.idle())
    while not waiting.done():
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            continue
    waiting.result()


def usage_of(events: Iterable[Event]) -> Usage:
    """Tokens and calls of a run, those of runs within it included."""
    used = (event.usage for event in events if isinstance(event, ModelCalled | ChildRunFinished))
    return sum(used, Usage())


def recorded_as(answer: JsonValue, adapter: TypeAdapter[Any]) -> Any:
    """A recorded answer as the type that is asked for now.

    Raises InputError (`answer_mismatch`).
    """
    try:
        return adapter.validate_python(answer)
    except ValidationError as error:
        reason = reason_of(error.errors(include_url=False, include_input=False)[0])
        raise InputError(
            "answer_mismatch",
            f"the run has ended, and its answer is not of the type that is asked for ({reason}); "
            f"leave out output_type, or run the task again",
        ) from None

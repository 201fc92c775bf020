"""The program context: which run, step and budget the current call belongs to.

A run is a *program* in the sense of program-aware serving: a sequence of model calls with tool
calls between them that shares one growing prefix. The executor opens a `Program`; everything
that calls a model inside it finds it in a context variable, which tasks and threads inherit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.core.budget import BudgetMeter
    from treadle.core.event_log import EventLog
    from treadle.core.events import Event

_log = logging.getLogger("treadle.runs")


@dataclass(frozen=True, slots=True)
class ProgramHint:
    """What the serving layer may know about a call: facts from the plan, or estimates.

    program_id: the run; all its calls share it.
    step_id: the step that makes the call, None for the planner and the joiner.
    purpose: "plan", "repair", "join", "step" or "agent".
    next_tool, next_tool_seconds: the tool that runs after this call, and its expected duration.
    remaining_calls: model calls expected after this one.
    remaining_seconds: expected length of the remaining critical path.
    last_call: whether the program ends with this call.
    """

    program_id: str
    purpose: str
    step_id: str | None = None
    next_tool: str | None = None
    next_tool_seconds: float | None = None
    remaining_calls: int | None = None
    remaining_seconds: float | None = None
    last_call: bool = False


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the executor expects to follow a step; the fields are those of `ProgramHint`."""

    next_tool: str | None = None
    next_tool_seconds: float | None = None
    remaining_calls: int | None = None
    remaining_seconds: float | None = None
    last_call: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """The run that the current task works for."""

    run_id: str
    budget: BudgetMeter
    log: EventLog
    step_id: str | None = None
    outlook: Callable[[], Outlook] | None = None

    def hint(self, purpose: str) -> ProgramHint:
        """The hint for a call made now, for `purpose`."""
        outlook = self.outlook() if self.outlook is not None else Outlook()
        return ProgramHint(
            program_id=self.run_id,
            purpose=purpose,
            step_id=self.step_id,
            next_tool=outlook.next_tool,
            next_tool_seconds=outlook.next_tool_seconds,
            remaining_calls=outlook.remaining_calls,
            remaining_seconds=outlook.remaining_seconds,
            last_call=outlook.last_call,
        )

    def record(self, event: Event) -> None:
        """Append `event` to the log, from whatever thread: in that of the run's event loop."""
        loop = self.log.loop
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if loop is None or loop is here:
            self.log.append(event)
            return
        try:
            loop.call_soon_threadsafe(self.log.append, event)
        except RuntimeError:
            # The run and its loop have ended; this comes from a thread that was left behind.
            _log.warning("%s: a %s came after the end", self.run_id, type(event).__name__)

    def for_step(self, step_id: str, outlook: Callable[[], Outlook] | None) -> Program:
        """The same program, seen from inside a step."""
        # Not dataclasses.replace: this is done for every call, and that costs 2 us more.
        return Program(self.run_id, self.budget, self.log, step_id, outlook)


current_program: ContextVar[Program | None] = ContextVar("treadle_program", default=None)
"""The program that the current task or thread works for; None outside of any run."""

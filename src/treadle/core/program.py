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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from treadle.core.budget import BudgetMeter
    from treadle.core.event_log import EventLog
    from treadle.core.events import Event
    from treadle.core.secrets import SecretProvider

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
    next_tool_pattern: what is alike in calls of `next_tool` that are alike, where that is known.
    tenant: who pays.
    deadline_seconds: how long from now the program may still take.
    """

    program_id: str
    purpose: str
    step_id: str | None = None
    next_tool: str | None = None
    next_tool_seconds: float | None = None
    remaining_calls: int | None = None
    remaining_seconds: float | None = None
    last_call: bool = False
    next_tool_pattern: str | None = None
    tenant: str | None = None
    deadline_seconds: float | None = None


@runtime_checkable
class ProgramAware(Protocol):
    """A model that wants to know when a program is over, to free what it keeps for it."""

    async def program_ended(self, program_id: str) -> None:
        """The program is over; called once after a run that called this model.

        It does not raise, and takes little time: it is given up after a few seconds.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the executor expects to follow a step; the fields are mostly those of `ProgramHint`.

    calls_seen: whether it was seen before how many model calls such a step makes.
    """

    next_tool: str | None = None
    next_tool_seconds: float | None = None
    remaining_calls: int | None = None
    remaining_seconds: float | None = None
    last_call: bool = False
    next_tool_pattern: str | None = None
    calls_seen: bool = False


_NOTHING_KNOWN = Outlook()
_JOINING = Outlook(remaining_calls=0, last_call=True)
"""The answer mostly ends the program. Where it does not, another plan begins with a new prompt."""


@dataclass(frozen=True, slots=True)
class Program:
    """The run that the current task works for.

    called: the models that were called in it and want to know when it is over, by identity.
    secrets: knows the values of secrets; None for the environment.
    """

    run_id: str
    budget: BudgetMeter
    log: EventLog
    step_id: str | None = None
    outlook: Callable[[], Outlook] | None = None
    called: dict[int, ProgramAware] = field(default_factory=dict, compare=False)
    secrets: SecretProvider | None = field(default=None, repr=False)

    def hint(self, purpose: str) -> ProgramHint:
        """The hint for a call made now, for `purpose`."""
        outlook = _NOTHING_KNOWN if self.outlook is None else self.outlook()
        if purpose == "join":
            outlook = _JOINING
        return ProgramHint(
            program_id=self.run_id,
            purpose=purpose,
            step_id=self.step_id,
            next_tool=outlook.next_tool,
            next_tool_seconds=outlook.next_tool_seconds,
            remaining_calls=outlook.remaining_calls,
            remaining_seconds=outlook.remaining_seconds,
            last_call=outlook.last_call,
            next_tool_pattern=outlook.next_tool_pattern,
            deadline_seconds=self.budget.remaining_seconds,
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
        return Program(
            self.run_id, self.budget, self.log, step_id, outlook, self.called, self.secrets
        )


current_program: ContextVar[Program | None] = ContextVar("treadle_program", default=None)
"""The program that the current task or thread works for; None outside of any run."""

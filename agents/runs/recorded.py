"""Where a run comes from and where its events go: its journal, its parent, its past."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from treadle.agents.runs.forking import Fork
from treadle.agents.runs.patching import Patching
from treadle.core.budget import Budget, BudgetMeter
from treadle.core.chat import Message, Usage
from treadle.core.errors import RunError, TreadleError
from treadle.core.event_log import EventLog
from treadle.core.events import ChildRunFinished, Event, RunFinished, RunStarted
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.core.prices import rounded
from treadle.core.program import Program
from treadle.core.taint import CLEAN, Labels, listed
from treadle.executor.history import History
from treadle.planner.patch import PlanPatch
from treadle.planner.plan import Plan

if TYPE_CHECKING:
    from treadle.executor.journal import Command, Journal, Recording

_log = logging.getLogger("treadle.runs")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run comes from, and where its events go.

    journal: None for a run in memory.
    recording: of a run that is resumed; a new run opens its own.
    history: what was done of a run that is resumed.
    reopened: steps of it that had failed and are to run again.
    parent: the program, with its step, that this run is part of.
    launch: what a command line needs to make the same Runtime again.
    budget: the limits that the run was given for itself.
    fork: what it takes over of another run. forked_from: `RUN/STEP` of that.
    nested: whether its id tells which step it belongs to, so that the step finds it again.
    """

    journal: Journal | None = None
    recording: Recording | None = None
    history: History | None = None
    reopened: tuple[str, ...] = ()
    parent: Program | None = None
    forked_from: str | None = None
    fork: Fork | None = None
    launch: Mapping[str, JsonValue] | None = None
    budget: Budget | None = None
    nested: bool = False


class Commanded(Protocol):
    """What another process can ask of a run."""

    def cancel(self) -> None: ...

    def pause(self) -> None: ...

    @property
    def patching(self) -> Patching: ...

    def patch(self, patch: PlanPatch, *, request: str | None = None) -> Plan: ...

    def answer(
        self,
        step_id: str,
        approved: bool,
        *,
        reason: str | None = None,
        arguments: dict[str, JsonValue] | None = None,
        about: str | None = None,
    ) -> None: ...


class Recorded:
    """The tie between a run and its journal, if it has one."""

    def __init__(self, log: EventLog, origin: Origin) -> None:
        self.origin = origin
        self._log = log
        self._recording = origin.recording

    @property
    def journaled(self) -> bool:
        """Whether the run is in a journal."""
        return self._recording is not None

    @property
    def error(self) -> RunError | None:
        """Why the journal takes nothing more; None while it does."""
        return None if self._recording is None else self._recording.error

    async def begin(self, task: str | Plan, failed: Callable[[RunError], None]) -> None:
        """Open the journal; from now on every event goes there.

        failed: told when nothing more can be kept.
        """
        origin = self.origin
        if origin.journal is None:
            return
        if self._recording is None:
            self._recording = await origin.journal.begin(
                self._log.run_id,
                task=task if isinstance(task, str) else None,
                now=self._log.now(),
                parent_id=None if origin.parent is None else origin.parent.run_id,
                forked_from=(origin.forked_from or "").partition("/")[0] or None,
            )
        self._log.recorder, self._recording.log = self._recording, self._log
        self._recording.failed = failed

    async def listen(self, run: Commanded) -> None:
        """Tell `run` what other processes ask, or have asked already, once it can be told."""
        journal = self.origin.journal
        if journal is not None and self._recording is not None:
            await journal.watch(self._recording, lambda command: _obey(run, command))

    async def take_patches(self, run: Commanded) -> None:
        """Tell `run` of the patches that were left for it; nothing has started yet."""
        journal = self.origin.journal
        if journal is not None and self._recording is not None:
            await journal.take_patches(self._recording, lambda command: _obey(run, command))

    def started(
        self, task: str | Plan, history: Sequence[Message], taint: Labels = CLEAN
    ) -> RunStarted:
        """The first event. taint: the labels of the task and the history."""
        origin = self.origin
        turns: list[JsonValue] = [[each.role, each.content] for each in history]
        return RunStarted(
            task=Payload(task) if isinstance(task, str) else None,
            history=Payload(turns) if turns else None,
            settings=None if origin.launch is None else Payload(dict(origin.launch)),
            parent=(
                None if origin.parent is None else f"{origin.parent.run_id}/{origin.parent.step_id}"
            ),
            budget=None if origin.budget is None else origin.budget.limits(),
            forked_from=origin.forked_from,
            asks=() if origin.fork is None else origin.fork.asks,
            taint=listed(taint),
        )

    def count_earlier(self, budget: BudgetMeter, history: History) -> None:
        """Count in `budget`, and in that of the run around it, what earlier processes have used."""
        used = history.usage
        known = used.known_cost
        cost = None if known is None else known + history.cost
        budget.restore(history.calls, used.total_tokens, history.seconds, cost)
        if self.origin.parent is not None:
            book_earlier(self.origin.parent, self._log.run_id, history)

    async def end(self, ended: RunFinished) -> None:
        """The run has ended: tell its parent, and see to it that everything is kept."""
        if self.origin.parent is not None:
            tell_parent(self.origin.parent, ended, self._log.events)
        if self.origin.journal is not None and self._recording is not None:
            await self.origin.journal.leave(self._recording)


def tell_parent(parent: Program, ended: RunFinished, events: Sequence[Event]) -> None:
    """Record in the log of `parent` that a run within it has ended; `events` are that run's."""
    loop = parent.log.loop
    if loop is None:
        return
    history = History(events)
    calls, cost = history.calls, history.cost

    def tell() -> None:
        usage, told, paid, status = Usage(), 0, 0.0, None
        for event in parent.log.events:
            if isinstance(event, ChildRunFinished) and event.child_id == ended.run_id:
                usage, told, status = usage + event.usage, told + event.calls, event.status
                paid += event.cost
        if status == ended.status and told == calls and usage == ended.usage:
            return  # an earlier process has told all there is
        parent.log.append(
            ChildRunFinished(
                child_id=ended.run_id,
                status=ended.status,
                usage=ended.usage - usage,
                step_id=parent.step_id,
                calls=calls - told,
                cost=max(0.0, rounded(cost - paid)),
            )
        )

    if loop is asyncio.get_running_loop():
        tell()
    else:
        # Started by a tool in a thread, with an event loop of its own.
        loop.call_soon_threadsafe(tell)


def book_earlier(parent: Program, run_id: str, history: History) -> None:
    """Count in the budget of `parent` what a run within it has used, as far as it was not told."""
    calls, usage, paid = history.calls, history.usage, history.cost
    for event in parent.log.events:
        if isinstance(event, ChildRunFinished) and event.child_id == run_id:
            calls -= event.calls
            usage -= event.usage
            paid -= event.cost
    cost = usage.known_cost
    parent.budget.book(
        max(0, calls), max(0, usage.total_tokens), None if cost is None else max(0.0, cost + paid)
    )


def _obey(run: Commanded, command: Command) -> None:
    body: Any = command.body
    try:
        match command.kind:
            case "cancel":
                run.cancel()
            case "pause":
                run.pause()
            case "answer":
                run.answer(
                    body["step"],
                    body["approved"],
                    reason=body.get("reason"),
                    arguments=body.get("arguments"),
                    about=body.get("about"),
                )
            case "patch":
                _patch(run, body)
    except (TreadleError, KeyError, TypeError) as error:
        # It came too late, or to the wrong run; whoever asked sees that in the events.
        _log.warning("%s: %s was not done: %s", command.run_id, command.kind, error)


def _patch(run: Commanded, body: dict[str, Any]) -> None:
    """Do what a patch asks, or record why not: whoever has left it waits for either."""
    request: str | None = body.get("request")
    if run.patching.is_decided(request):
        return  # by a process that died before it could say that it was
    try:
        run.patch(PlanPatch.from_wire(body["patch"]), request=request)
    except TreadleError as error:
        run.patching.refuse(request, error)
        raise

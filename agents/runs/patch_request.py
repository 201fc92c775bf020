"""A patch for a journaled run, whichever process carries it out, now or later."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Literal

from treadle.core.errors import ErrorInfo, RunError
from treadle.core.events import Event, PatchRefused, PlanPatched
from treadle.executor.history import History, Past
from treadle.planner.check import check_plan
from treadle.planner.patch import PlanPatch
from treadle.planner.plan import Plan
from treadle.tools import ToolRegistry

if TYPE_CHECKING:
    from treadle.executor.journal import Journal

TAKEN = 5.0
"""Seconds that a process which holds a run has to take a patch."""

_PERIOD = 0.1


@dataclass(frozen=True, slots=True)
class Patched:
    """What became of a patch.

    state: "applied" by the process that holds the run; "left" for the one that goes on with it.
    version: of the plan that it made; None where it was left.
    """

    state: Literal["applied", "left"]
    version: int | None = None


async def request_patch(
    journal: Journal,
    run_id: str,
    patch: PlanPatch,
    tools: ToolRegistry,
    *,
    seconds: float = TAKEN,
) -> Patched:
    """Leave `patch` for whoever holds the run, and see what becomes of it; see `Runtime.patch`."""
    row = await journal.row(run_id)
    events = await journal.events(run_id)
    _check_open(run_id, row.status)
    # Of a run within another one the tools may be others, which are not known here.
    _check(events, patch, None if row.parent_id is not None else tools)
    request = f"patch_{token_hex(8)}"
    command = await journal.ask(run_id, "patch", {"request": request, "patch": patch.wire()})
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        # In this order: whatever the holder has said before it let go is among the events.
        row = await journal.row(run_id)
        outcome = _outcome(await journal.events(run_id), request)
        if outcome is not None:
            return outcome
        if row.status in ("succeeded", "failed"):
            await journal.withdraw(command)
            _check_open(run_id, row.status)
        if row.status != "running" or loop.time() >= deadline:
            return Patched("left")
        await asyncio.sleep(_PERIOD)


def _check_open(run_id: str, status: str) -> None:
    if status in ("succeeded", "failed"):
        raise RunError(
            "run_ended",
            f"{run_id} has {status}; treadle fork goes another way from one of its steps",
        )


def _check(events: Sequence[Event], patch: PlanPatch, tools: ToolRegistry | None) -> None:
    """Refuse what does not fit the run as it is recorded, before it is left for anybody."""
    history = History(events)
    if history.plan is None:
        raise RunError("not_executing", "the run has no plan yet that could be patched")
    started = {
        step_id
        for step_id, past in history.steps.items()
        if _stays(past, history.plan, step_id, tools)
    }
    patched = patch.apply(history.plan, started)
    if tools is not None:
        check_plan(patched, tools)


def _stays(past: Past, plan: Plan, step_id: str, tools: ToolRegistry | None) -> bool:
    """Whether `past` cannot be changed, whoever holds the run: it has ended, or may have acted."""
    if past.status in ("succeeded", "failed", "skipped"):
        return True
    if not past.attempts or tools is None or step_id not in plan:
        return False  # or nobody can tell from here
    name = plan[step_id].tool
    return name in tools and not tools[name].effect.repeatable


def _outcome(events: Sequence[Event], request: str) -> Patched | None:
    """What the events say became of the patch. Raises what it was refused with."""
    for event in reversed(events):
        match event:
            case PlanPatched(request=asked) if asked == request:
                return Patched("applied", event.version)
            case PatchRefused(request=asked) if asked == request:
                raise _refused(event.error)
    return None


def _refused(error: ErrorInfo) -> RunError:
    return RunError(error.code, f"the patch was refused: {error.message}")

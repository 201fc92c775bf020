"""What a tool calls to change the plan that it is part of."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

from treadle.agents.runs.scope import AskPatch, current_scope
from treadle.core.errors import RunError
from treadle.core.program import Program, current_program
from treadle.core.taint import CLEAN, Labels, current_taint
from treadle.planner.patch import PlanPatch
from treadle.planner.plan import Plan


async def patch_plan(patch: PlanPatch) -> Plan:
    """Change the plan of the run that the calling tool is part of; return its next version.

    New steps may depend on the step that calls, and on its output; steps that have not started can
    be dropped or replaced. The patch is checked as any other: the same tools, and whatever has
    effects asks as it would have. While a model is still writing the plan, this waits for its end.
    The same patch again, by the same step, changes nothing: a tool that is run again after a crash,
    or a retry, finds its patch in place.

    In a tool of an agent, and in a run within a run, it is the plan of the nearest run.

    Raises PlanError for a patch that does not fit, and RunError: `not_in_run` outside of any run,
    `not_executing` when the step, or the run, has ended.
    """
    program, ask = _asking()
    loop = program.log.loop
    if loop is None or loop is asyncio.get_running_loop():
        return await ask(patch, program.step_id, _read())
    return await asyncio.wrap_future(_across(program, ask, patch, loop))


def patch_plan_sync(patch: PlanPatch) -> Plan:
    """`patch_plan` for a tool that is a plain function, which runs in a thread.

    Raises what `patch_plan` does, and RunError (`event_loop_running`) where one runs: await
    `patch_plan` there.
    """
    program, ask = _asking()
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        loop = program.log.loop
        assert loop is not None, "a run that calls tools has begun"
        return _across(program, ask, patch, loop).result()
    raise RunError("event_loop_running", "an event loop runs here: await patch_plan() instead")


def _asking() -> tuple[Program, AskPatch]:
    program, scope = current_program.get(), current_scope()
    if program is None or scope is None or scope.patch is None:
        raise RunError("not_in_run", "there is no plan here: only a tool that a run calls has one")
    return program, scope.patch


def _read() -> Labels:
    """What the step that asks has read: the patch is made of it."""
    taint = current_taint.get()
    return CLEAN if taint is None else taint.labels


def _across(
    program: Program, ask: AskPatch, patch: PlanPatch, loop: asyncio.AbstractEventLoop
) -> Future[Plan]:
    """Ask in the thread that the run goes on in."""
    asking = ask(patch, program.step_id, _read())
    try:
        return asyncio.run_coroutine_threadsafe(asking, loop)
    except RuntimeError:
        asking.close()  # the run and its loop have ended; the thread was left behind
        raise RunError("not_executing", f"{program.run_id} has ended") from None

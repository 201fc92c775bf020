"""What must hold before a run goes on in another process."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from treadle.core.budget import Budget
from treadle.core.chat import Message
from treadle.core.errors import PlanError, RunError
from treadle.executor.doubt_names import in_words, names_in_doubt, read_name
from treadle.executor.history import History
from treadle.planner.check import check_plan
from treadle.planner.plan import Plan
from treadle.tools import ToolRegistry


def task_of(
    run_id: str, history: History, known: str | Plan | None = None
) -> tuple[str | Plan, Sequence[Message]]:
    """The task of a run, or its plan where it was handed one, and the conversation before.

    known: what it was handed, where the caller knows that from elsewhere.

    Raises RunError (`nothing_recorded`, `payload_erased`).
    """
    started = history.started
    if started is not None and started.task is not None:
        turns: Any = [] if started.history is None else started.history.value
        return str(started.task.value), [Message(role, text) for role, text in turns]
    if history.plan is None:
        if known is not None:
            return known, ()
        raise RunError(
            "nothing_recorded", f"{run_id} ended before its plan was recorded; start it again"
        )
    return history.plan, ()


def check_fingerprints(history: History, tools: ToolRegistry) -> None:
    """Refuse to go on with other tools than the plan was made for.

    Raises RunError (`code_changed`) naming the tools of unfinished steps that are not there, or
    whose schema or code is another one now.
    """
    if history.plan is None:
        return
    open_tools = {
        step.tool
        for step in history.plan.steps
        if history.steps[step.id].status not in ("succeeded", "skipped")
    }
    missing = sorted(name for name in open_tools if name not in tools)
    changed = sorted(
        name
        for name in open_tools
        if name in tools
        and history.fingerprints.get(name, tools[name].fingerprint) != tools[name].fingerprint
    )
    if missing:
        raise RunError(
            "code_changed",
            f"steps that are still to run need {', '.join(missing)}, which is not there: give the "
            f"same tools as for the run",
        )
    if changed:
        raise RunError(
            "code_changed",
            f"{', '.join(changed)} has changed since the run began, in code or schema: resume with "
            f"the version it began with, or accept the changes",
        )


def check_fits(history: History, tools: ToolRegistry) -> None:
    """Refuse tools that the plan cannot be run with. Raises RunError (`code_changed`)."""
    if history.plan is None:
        return
    try:
        check_plan(history.plan, tools)
    except PlanError as error:
        raise RunError(
            "code_changed", f"the plan does not fit the tools any more: {error.message}"
        ) from error


def budget_of(history: History) -> Budget | None:
    """The limits that the run was given for itself; None where it had those of its Runtime."""
    limits: Any = None if history.started is None else history.started.budget
    return None if limits is None else Budget(**limits)


def reopened_by(
    history: History,
    tools: ToolRegistry,
    done: Collection[str],
    redo: Collection[str],
    *,
    again: bool = False,
) -> tuple[str, ...]:
    """The failed steps that `redo` names, with those that were skipped because of a failure.

    again: all failed steps, as if `redo` named each.

    Raises RunError: `unknown_step`, and `nothing_in_doubt` for a step, or an item of it
    (`STEP[INDEX]`), that there is nothing to decide about.
    """
    failed: list[str] = []
    for name in (*done, *redo):
        step_id, index = read_name(name)
        past = history.steps.get(step_id)
        if past is None:
            raise RunError("unknown_step", f"the run has no step '{step_id[:80]}'")
        if past.status == "failed" and name == step_id and step_id in redo:
            failed.append(step_id)
        elif not past.open_calls or past.status in ("succeeded", "failed", "skipped"):
            raise RunError(
                "nothing_in_doubt", f"what became of step '{step_id}' is known: {past.status}"
            )
        elif _is_repeatable(history, tools, step_id):
            raise RunError(
                "nothing_in_doubt", f"step '{step_id}' has no effects: it simply runs again"
            )
        elif index is not None and index not in past.open_calls:
            names = in_words(names_in_doubt(step_id, past.open_calls))
            raise RunError("nothing_in_doubt", f"'{name[:80]}' is not in doubt; this is: {names}")
    if again:
        failed += [
            step_id
            for step_id, past in history.steps.items()
            if past.status == "failed" and not past.resolved and step_id not in failed
        ]
    if not failed:
        return ()
    skipped = [
        step_id
        for step_id, past in history.steps.items()
        if past.error is not None and past.error.code == "dependency_failed"
    ]
    return (*failed, *skipped)


def _is_repeatable(history: History, tools: ToolRegistry, step_id: str) -> bool:
    if history.plan is None or step_id not in history.plan:
        return False
    name = history.plan[step_id].tool
    return name in tools and tools[name].effect.repeatable

"""A Runtime as a tool: each call is a run within the run that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from treadle.agents.runs.nesting import child_run_id
from treadle.agents.runs.opening import Opening, RunOptions
from treadle.agents.runs.recorded import Origin, tell_parent
from treadle.agents.runs.run_stream import RunStream
from treadle.agents.runs.scope import RunScope, ScopedProgram, current_scope
from treadle.core.budget import Budget
from treadle.core.errors import ConfigError, RunError, ToolError
from treadle.core.event_log import EventLog
from treadle.core.events import (
    ChildRunFinished,
    Event,
    RunFinished,
    RunResumed,
    StepRetrying,
)
from treadle.core.ids import TOOL_NAME
from treadle.core.json_value import JsonValue
from treadle.core.program import Program, current_program
from treadle.executor import Approve, RunResult
from treadle.executor.approval_policy import joined
from treadle.executor.awaiting import awaiting_approval
from treadle.executor.step_key import StepKey
from treadle.executor.waits import StepWaits
from treadle.planner.check import check_plan
from treadle.planner.plan import Plan
from treadle.tools import Effect, Tool, ToolRegistry
from treadle.tools.dry import dry
from treadle.tools.signature import signature_of

if TYPE_CHECKING:
    from treadle.agents.runs.pipeline import Pipeline
    from treadle.executor.journal import Journal

TIMEOUT = 900.0
"""Seconds for one call, where nothing else is said."""


class NestedRuns:
    """The runs that one tool has made; its bound methods are the functions of tools.

    The id of such a run tells the step that it belongs to, so that the same call, made again by
    another process, goes on with it instead of doing everything once more.

    open_stream: makes the stream of a pipeline. new_id: for calls that no step makes.
    """

    def __init__(
        self,
        opening: Opening,
        open_stream: Callable[[Pipeline], RunStream],
        new_id: Callable[[], str],
        plan: Plan | None,
        budget: Budget | None,
    ) -> None:
        self.tools_within = opening.settled.tools
        self.opening = opening
        self._dry = _dry(opening)
        self._open_stream = open_stream
        self._new_id = new_id
        self._plan = plan
        self._budget = budget

    async def run_task(self, task: str, idempotency_key: str) -> Any:
        """Do a task, given in words."""
        return await self._run(task, idempotency_key)

    async def run_plan(self, idempotency_key: str) -> Any:
        """Carry out the plan."""
        assert self._plan is not None
        return await self._run(self._plan, idempotency_key)

    async def play_task(self, task: str) -> Any:
        """Do a task, given in words, and change nothing."""
        return await self._alone(task, self._dry, current_program.get())

    async def play_plan(self) -> Any:
        """Carry out the plan, and change nothing."""
        assert self._plan is not None
        return await self._alone(self._plan, self._dry, current_program.get())

    async def take_back(self, result: JsonValue, task: str = "") -> None:
        """What makes the tool one that can be undone; `undo` of the run knows what to take back."""
        raise ToolError(
            "not_undoable", "what a nested run did is taken back with the run that it is part of"
        )

    async def _run(self, task: str | Plan, key: str) -> JsonValue:
        program = current_program.get()
        step = _step_of(key, program.run_id if program is not None else "")
        if not isinstance(program, ScopedProgram) or program.scope is None:
            return await self._alone(task, self.opening, program)
        scope = program.scope
        if step is None or scope.dry_run:
            return await self._alone(task, self._dry if scope.dry_run else self.opening, program)
        pipeline = await self._pipeline(child_run_id(step), task, program, scope)
        if scope.journal is None:
            scope.logs[pipeline.log.run_id] = pipeline.log
        stream = self._open_stream(pipeline)
        scope.children.add(stream)
        try:
            async with stream as run:
                if scope.paused:
                    run.pause()
                await run.ended()
        finally:
            scope.children.discard(stream)
        result = run.result
        ended = result.events[-1]
        assert isinstance(ended, RunFinished)
        tell_parent(program, ended, result.events)
        return _outcome(result, paused=scope.paused)

    async def _alone(
        self, task: str | Plan, opening: Opening, program: Program | None
    ) -> JsonValue:
        """A run for an agent's own call, a dry one, one outside of any run: nothing to come back
        to."""
        around = current_scope()
        approve = None if around is None else self._approve(around)
        options = RunOptions(approve=approve, budget=self._budget)
        log = EventLog(self._new_id(), opening.clock)
        opened = opening.pipeline(task, log, options, Origin(parent=program))
        return _outcome(await self._open_stream(opened).to_end(), paused=False)

    def _approve(self, around: RunScope) -> Approve | None:
        """Who decides on the outer run decides here, too; no rules of this Runtime are lost."""
        return joined(self.opening.approve, around.approve, nested=True)

    async def _pipeline(
        self, run_id: str, task: str | Plan, program: ScopedProgram, scope: RunScope
    ) -> Pipeline:
        """The run of a step: a new one, or the one that an earlier call has begun."""
        options = RunOptions(
            approve=self._approve(scope),
            budget=self._budget,
            verdicts={key: said for key, said in scope.verdicts.items() if "/" in key},
            accept_changes=scope.accept_changes,
        )
        journal = scope.journal
        origin = Origin(journal=journal, parent=program, nested=True)
        if journal is None:
            return self.opening.pipeline(
                task, EventLog(run_id, self.opening.clock), options, origin
            )
        if not await _is_there(journal, run_id):
            return self.opening.pipeline(
                task, EventLog(run_id, self.opening.clock), options, origin
            )
        from treadle.agents.runs.resuming import Decided, begin_anew, reopen

        events = await journal.events(run_id)
        if not events:
            # Cut off before its first event was kept.
            return await begin_anew(self.opening, journal, run_id, task, options, origin)
        prefix = f"{run_id}/"
        said = {
            key.removeprefix(prefix): verdict
            for key, verdict in scope.verdicts.items()
            if key.startswith(prefix)
        }
        decided = Decided(
            tuple(step_id for step_id, verdict in said.items() if verdict == "done"),
            tuple(step_id for step_id, verdict in said.items() if verdict == "redo"),
            again=_again(program.log.events, run_id, program.step_id),
        )
        return await reopen(
            self.opening, journal, run_id, decided, replace(options, budget=None),
            parent=program, task=task,
        )  # fmt: skip


def nested_tool(
    runs: NestedRuns,
    name: str,
    description: str,
    *,
    plan: Plan | None,
    effect: Effect | str | None,
    timeout: float | None,
) -> Tool:
    """The tool whose calls are runs. Raises ConfigError (`bad_tool`), and PlanError."""
    tools = runs.tools_within
    if plan is not None:
        check_plan(plan, tools)
    if effect is None:
        called = tools if plan is None else {step.tool for step in plan.steps}
        effects = [Effect.READ, *(tools[each].effect for each in called)]
        effect = max(effects, key=lambda each: each.severity)
    elif effect not in list(Effect):
        raise ConfigError("bad_tool", f"tool '{name}': effect '{effect}' is none")
    effect = Effect(effect)
    if not TOOL_NAME.fullmatch(name):
        raise ConfigError("bad_tool", f"'{name}' is no name for a tool")
    if effect is Effect.PURE:
        raise ConfigError("bad_tool", f"tool '{name}': what a run does is at least a read")
    function = runs.run_task if plan is None else runs.run_plan
    lasting = not effect.repeatable
    return Tool(
        name=name,
        description=description,
        signature=signature_of(function, name, keyed=True),
        function=function,
        is_async=True,
        effect=effect,
        timeout=timeout or TIMEOUT,
        calls_model=plan is None,
        guards_calls=True,
        undo=runs.take_back if lasting else None,
        mock=runs.play_task if plan is None else runs.play_plan,
        # A call with the same key goes on with the run that it names.
        idempotent=lasting,
    )


def _dry(opening: Opening) -> Opening:
    """The same, for a run around it that changes nothing."""
    tools = ToolRegistry(map(dry, opening.settled.tools.values()))
    return replace(opening, settled=replace(opening.settled, tools=tools), dry_run=True)


def _step_of(key: str, run_id: str) -> StepKey | None:
    """The step key that an idempotency key is; None for any other."""
    parts = key.split("/")
    if len(parts) not in (3, 4) or parts[0] != run_id:
        return None
    return StepKey(run_id, parts[1], int(parts[2]), int(parts[3]) if len(parts) == 4 else None)


def _again(events: list[Event], child_id: str, step_id: str | None) -> bool:
    """Whether a person, or a retry, wants the steps again that failed when the run ended."""
    for event in reversed(events):
        match event:
            case ChildRunFinished(child_id=ended) if ended == child_id:
                return False
            case RunResumed(reopened=reopened) if step_id in reopened:
                return True
            case StepRetrying(step_id=retried) if retried == step_id:
                return True
    return False


async def _is_there(journal: Journal, run_id: str) -> bool:
    try:
        await journal.row(run_id)
    except RunError as error:
        if error.code != "run_not_found":
            raise
        return False
    return True


def _outcome(result: RunResult, *, paused: bool) -> JsonValue:
    """What a run comes to for the step that it belongs to.

    Raises StepWaits, and ToolError (`nested_run_failed`).
    """
    run_id, error = result.run_id, result.error
    if result.status == "succeeded":
        return result.answer
    if paused and result.status in ("paused", "cancelled", "waiting"):
        raise StepWaits("paused", f"the run was paused, and with it {run_id}")
    if result.status == "paused":
        raise StepWaits("nested_run_waits", f"{run_id} was paused; resume goes on with it")
    if result.status == "waiting":
        raise StepWaits("nested_run_waits", f"{run_id} waits: {_advice(result)}")
    reason = result.status if error is None else str(error)
    raise ToolError("nested_run_failed", f"{run_id}: {reason}", retryable=True)


def _advice(result: RunResult) -> str:
    """What a person can do for a run that waits."""
    run_id = result.run_id
    doubtful: list[str] = []
    for step in result.steps:
        if step.error is not None and step.error.code == "nested_run_waits":
            return step.error.message
        if step.error is not None and step.error.code == "in_doubt":
            doubtful.append(f"{run_id}/{step.id}")
    if doubtful:
        return f"look, then resume with --done or --redo {', '.join(doubtful)}"
    asked = list(awaiting_approval(result.events))
    return f"treadle approve {run_id} {' '.join(asked[:10])}, then resume"

"""Fork: another way for a run from one of its steps on, with all that was done before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from treadle.core.errors import RunError
from treadle.core.event_log import EventLog
from treadle.core.events import PlanningStarted, PlanReady, StepFinished, StepPlanned
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.core.taint import listed
from treadle.executor.history import History
from treadle.planner.check import check_plan
from treadle.planner.plan import Plan
from treadle.planner.step import OnFailure, Step
from treadle.tools import ToolRegistry


@dataclass(frozen=True, slots=True)
class Fork:
    """What a fork takes over and what it does anew.

    anew: the steps that run (again), in the plan's order; all others are as they were.
    asks: those of them that have effects: a person is to agree to each.
    """

    plan: Plan
    history: History
    anew: tuple[str, ...]
    asks: tuple[str, ...]

    def record(self, log: EventLog, tools: ToolRegistry, model: str) -> None:
        """Write into `log`, after its RunStarted, what the fork takes over.

        In the order in which a run has it, so that whoever folds the events sees one. What is
        taken over has an end and no start: it was not done here, and is not undone from here.
        """
        plan, history = self.plan, self.history
        for step in plan.steps:
            log.append(
                StepPlanned(
                    step_id=step.id, tool=step.tool, needs=step.needs,
                    step=Payload(step.wire()), version=history.steps[step.id].version,
                    taint=listed(history.steps[step.id].author),
                )
            )  # fmt: skip
        kept = [step.id for step in plan.steps if step.id not in set(self.anew)]
        resolved = [step_id for step_id in kept if history.steps[step_id].resolved]
        self._record_ends(log, resolved)
        if history.replans:
            log.append(PlanningStarted(model=model, replan=history.replans))
        names = {step.tool for step in plan.steps}
        log.append(
            PlanReady(
                plan_hash=plan.hash,
                version=plan.version,
                plan=Payload(plan.wire()),
                fingerprints={name: tools.find(name).fingerprint for name in names},
                taint=listed(history.author),
            )
        )
        self._record_ends(log, [step_id for step_id in kept if step_id not in resolved])

    def _record_ends(self, log: EventLog, step_ids: Collection[str]) -> None:
        for step_id in step_ids:
            past = self.history.steps[step_id]
            assert past.status is not None
            ended = StepFinished(
                step_id=step_id,
                status=past.status,
                output=past.output,
                error=past.error,
                taint=listed(past.taint or ()),
            )
            log.append(ended, durable=True)


def fork_of(
    history: History,
    tools: ToolRegistry,
    step_id: str,
    arguments: Mapping[str, JsonValue] | None,
) -> Fork:
    """A fork of the run of `history` at `step_id`.

    Raises RunError (`nothing_recorded`, `unknown_step`, `payload_erased`), and PlanError for what
    does not fit the tools.
    """
    plan = history.plan
    if plan is None:
        raise RunError("nothing_recorded", "the run has no plan that could go another way")
    if step_id not in plan:
        raise RunError("unknown_step", f"the run has no step '{step_id[:80]}'")
    if arguments is not None:
        plan = _with_arguments(plan, step_id, arguments)
    check_plan(plan, tools)
    anew: dict[str, None] = {}
    for step in plan.steps:
        wanted = step.id == step_id or any(need in anew for need in step.needs)
        if wanted or not _is_done(history, step):
            anew[step.id] = None
    for step in plan.steps:
        output = history.steps[step.id].output
        if step.id not in anew and output is not None and output.erased:
            raise RunError("payload_erased", f"the output of '{step.id}' was erased")
    asks = tuple(each for each in anew if not tools.find(plan[each].tool).effect.repeatable)
    return Fork(plan, history, tuple(anew), asks)


def _is_done(history: History, step: Step) -> bool:
    """Whether what became of `step` can stay: it has an end that the run could go on from."""
    past = history.steps[step.id]
    if past.status == "failed":
        return past.resolved or step.on_failure in (OnFailure.VALUE, OnFailure.SKIP)
    return past.status in ("succeeded", "skipped")


def _with_arguments(plan: Plan, step_id: str, arguments: Mapping[str, JsonValue]) -> Plan:
    steps: list[Step] = []
    for step in plan.steps:
        if step.id == step_id:
            step = Step.from_wire({**step.wire(), "args": dict(arguments)})
        steps.append(step)
    return replace(plan, steps=tuple(steps), version=plan.version + 1)

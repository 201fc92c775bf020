"""How a run comes to its plan: it is handed one, or the planner writes it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from treadle.agents.runs.run_memory import NOTHING, Remembered
from treadle.agents.runs.settled import Settled
from treadle.core.chat import Message
from treadle.core.errors import PlanError
from treadle.core.event_log import EventLog
from treadle.core.events import MemoryRecalled, PlanningStarted, PlanReady, PlanReused
from treadle.core.payload import Payload
from treadle.core.taint import CLEAN, Labels, labels_here, labels_of, listed
from treadle.executor import Execution
from treadle.planner.check import check_plan
from treadle.planner.joiner import Joiner
from treadle.planner.llm_planner import LLMPlanner, check_task
from treadle.planner.plan import Plan


class Planning:
    """Makes the plan of one run, and announces each version of it."""

    def __init__(self, settled: Settled, log: EventLog, execution: Execution) -> None:
        self._settled = settled
        self._log = log
        self._execution = execution

    async def recall(
        self, task: str | Plan, history: Sequence[Message], earlier: MemoryRecalled | None
    ) -> Remembered:
        """What memory has on `task`, recorded; nothing where there is no memory.

        earlier: what it had before the run was cut short: it is not asked again.

        Raises InputError for a task that cannot be planned.
        """
        if earlier is not None:
            return Remembered(earlier)
        if not isinstance(task, str):
            return NOTHING
        found = await remembered_on(self._settled, task, history)
        if found.reuse is not None:
            source = found.reuse.procedure
            self._log.append(
                PlanReused(procedure=source.id, task=Payload(source.task), taint=found.event.taint)
            )
        elif self._settled.memory is not None:
            self._log.append(found.event)
        return found

    async def make(
        self, task: str | Plan, history: Sequence[Message], remembered: Remembered = NOTHING
    ) -> Plan:
        """The plan for `task`; its steps start while it is being written.

        remembered: what memory has on it.

        Raises what the planner raises, and PlanError for a plan that does not fit the tools.
        """
        if isinstance(task, Plan):
            check_plan(task, self._settled.tools)
            self._execution.add_all(task.steps)
            return task
        if remembered.plan is not None:
            self._execution.add_all(remembered.plan.steps)
            return remembered.plan
        return await self._ask_planner(task, history, remembered.text)

    def announce(self, plan: Plan, *, journaled: bool, author: Labels = CLEAN) -> None:
        """Record `plan`, with what its tools are now where that is of use later.

        author: the labels of what whoever wrote it was shown.
        """
        tools = self._settled.tools
        fingerprints = (
            {name: tools.find(name).fingerprint for name in {step.tool for step in plan.steps}}
            if journaled or self._settled.memory is not None
            else {}
        )
        self._log.append(
            PlanReady(
                plan_hash=plan.hash,
                version=plan.version,
                plan=Payload(plan.recorded),
                fingerprints=fingerprints,
                taint=listed(author),
            )
        )

    async def _ask_planner(self, task: str, history: Sequence[Message], remembered: str) -> Plan:
        settled = self._settled
        planner = planner_of(settled)
        check_task(task)
        self._log.append(PlanningStarted(model=settled.model.name))
        plan: Plan | None = None
        stream = planner.stream(task, settled.tools, history, remembered)
        async with aclosing(stream) as planned:
            async for part in planned:
                if isinstance(part, Plan):
                    plan = part
                else:
                    self._execution.add(part)
        assert plan is not None, "the planner ends with a plan or an exception"
        return plan


async def remembered_on(settled: Settled, task: str, history: Sequence[Message]) -> Remembered:
    """What memory has on `task`: a plan that fits the tools, or what a planner is to see.

    Raises InputError for a task that cannot be planned.
    """
    memory = settled.memory
    if memory is None:
        return NOTHING
    check_task(task)
    found = await memory.before(task, settled.tools, alone=not history)
    if found.reuse is None:
        return found
    try:
        plan = Plan.from_wire(found.reuse.plan)
        check_plan(plan, settled.tools)
    except PlanError:
        await memory.demote(found.reuse.procedure.id)
        return await memory.before(task, settled.tools, alone=False)
    return replace(found, plan=plan)


def planner_of(settled: Settled) -> LLMPlanner:
    """The planner that works as `settled` says."""
    return LLMPlanner(
        settled.model,
        settled.prompts,
        max_repairs=settled.max_repairs,
        shown=settled.shown,
        deadlines=settled.deadlines,
    )


def joiner_of(settled: Settled) -> Joiner:
    """The joiner that works as `settled` says."""
    return Joiner(
        settled.model,
        settled.prompts,
        max_repairs=settled.max_repairs,
        shown=settled.shown,
        deadlines=settled.deadlines,
    )


async def plan_alone(settled: Settled, task: str, history: Sequence[Message]) -> Plan:
    """A plan for `task` that nothing is done with. Raises what the planner raises.

    What its author has read is remembered for the case that it is run.
    """
    labels = labels_of(history) | labels_here()
    planner = planner_of(settled)
    found = await remembered_on(settled, task, history)
    labels |= found.labels
    if found.plan is not None:
        settled.plan_labels.keep(found.plan, labels)
        return found.plan
    stream = planner.stream(task, settled.tools, history, found.text)
    async with aclosing(stream) as planned:
        async for part in planned:
            if isinstance(part, Plan):
                settled.plan_labels.keep(part, labels)
                return part
    raise AssertionError("the planner ends with a plan or an exception")

"""How a run comes to its plan: it is handed one, or the planner writes it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from treadle.agents.runs.settled import Settled
from treadle.core.chat import Message
from treadle.core.event_log import EventLog
from treadle.core.events import Payload, PlanningStarted, PlanReady
from treadle.core.taint import CLEAN, Labels, current_taint, labels_of, listed
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

    async def make(self, task: str | Plan, history: Sequence[Message]) -> Plan:
        """The plan for `task`; its steps start while it is being written.

        Raises what the planner raises, and PlanError for a plan that does not fit the tools.
        """
        if isinstance(task, Plan):
            check_plan(task, self._settled.tools)
            self._execution.add_all(task.steps)
            return task
        return await self._ask_planner(task, history)

    def announce(self, plan: Plan, *, journaled: bool, author: Labels = CLEAN) -> None:
        """Record `plan`, with what its tools are now where the run is journaled.

        author: the labels of what whoever wrote it was shown.
        """
        tools = self._settled.tools
        fingerprints = (
            {name: tools.find(name).fingerprint for name in {step.tool for step in plan.steps}}
            if journaled
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

    async def _ask_planner(self, task: str, history: Sequence[Message]) -> Plan:
        settled = self._settled
        planner = planner_of(settled)
        check_task(task)
        self._log.append(PlanningStarted(model=settled.model.name))
        plan: Plan | None = None
        async with aclosing(planner.stream(task, settled.tools, history)) as planned:
            async for part in planned:
                if isinstance(part, Plan):
                    plan = part
                else:
                    self._execution.add(part)
        assert plan is not None, "the planner ends with a plan or an exception"
        return plan


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
    around = current_taint.get()
    labels = labels_of(history) | (CLEAN if around is None else around.labels)
    planner = planner_of(settled)
    async with aclosing(planner.stream(task, settled.tools, history)) as planned:
        async for part in planned:
            if isinstance(part, Plan):
                settled.plan_labels.keep(part, labels)
                return part
    raise AssertionError("the planner ends with a plan or an exception")

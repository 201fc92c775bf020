"""How the executor's tests drive an Execution, and what every record of one must satisfy."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from treadle.core.budget import Budget, BudgetMeter
from treadle.core.call_counts import CallCounts
from treadle.core.clock import Clock, SystemClock
from treadle.core.durations import ToolDurations
from treadle.core.event_log import EventLog
from treadle.core.events import StepDropped, StepFinished, StepPlanned, StepStarted
from treadle.core.program import Program
from treadle.executor import Approve, Execution, RunResult, StepResult
from treadle.executor.node import State
from treadle.planner import Plan
from treadle.tools import Tool, ToolRegistry
from treadle.tools.artifacts import ArtifactStore


def step(step_id: str, tool: str, /, *after: str, **fields: Any) -> dict[str, Any]:
    """A step in wire form; what is no field of a step is an argument."""
    own = {"when", "for_each", "timeout", "retry", "on_failure", "note"}
    args = {name: value for name, value in fields.items() if name not in own}
    rest = {name: value for name, value in fields.items() if name in own}
    return {"id": step_id, "tool": tool, "args": args, "after": list(after), **rest}


def plan_of(*steps: dict[str, Any], answer: Any = None) -> Plan:
    return Plan.from_wire({"steps": list(steps), "answer": answer})


@dataclass
class Outcome:
    """What an execution came to."""

    state: State
    execution: Execution
    log: EventLog

    @cached_property
    def steps(self) -> dict[str, StepResult]:
        return {each.id: each for each in RunResult.from_events(self.log.events).steps}

    @property
    def statuses(self) -> dict[str, str | None]:
        return {step_id: each.status for step_id, each in self.steps.items()}

    def code(self, step_id: str) -> str | None:
        error = self.steps[step_id].error
        return None if error is None else error.code

    def events(self, kind: type) -> list[Any]:
        return [event for event in self.log.events if isinstance(event, kind)]


class Driver:
    """One execution, set up but not started."""

    def __init__(
        self,
        tools: Iterable[Tool],
        *,
        max_parallel: int = 8,
        approve: Approve | None = None,
        budget: Budget | None = None,
        clock: Clock | None = None,
        durations: ToolDurations | None = None,
        call_counts: CallCounts | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self.log = EventLog("run", clock)
        self.program = Program("run", BudgetMeter(budget or Budget(), clock), self.log)
        self.artifacts = ArtifactStore()
        self.execution = Execution(
            ToolRegistry(tools),
            self.program,
            durations=durations or ToolDurations(),
            artifacts=self.artifacts,
            approve=approve,
            max_parallel=max_parallel,
            call_counts=call_counts,
        )

    def start(self, plan: Plan) -> None:
        for each in plan.steps:
            self.execution.add(each)
        self.execution.seal(plan)

    async def end(self, seconds: float = 15) -> Outcome:
        try:
            async with asyncio.timeout(seconds):
                await self.execution.settle()
            outcome = Outcome(self.execution.finish(), self.execution, self.log)
        finally:
            self.artifacts.close()
        check_record(self.log)
        return outcome


async def execute(plan: Plan, tools: Sequence[Tool], **options: Any) -> Outcome:
    driver = Driver(tools, **options)
    driver.start(plan)
    return await driver.end()


def check_record(log: EventLog) -> None:
    """What holds of every complete record: dense numbers, one end per step, no end before it."""
    assert [event.seq for event in log.events] == list(range(len(log.events)))
    planned = [event.step_id for event in log.events if isinstance(event, StepPlanned)]
    ended: Counter[str] = Counter()
    seen: set[str] = set()
    for event in log.events:
        if isinstance(event, StepPlanned):
            seen.add(event.step_id)
        elif isinstance(event, StepStarted):
            assert event.step_id in seen
            assert not ended[event.step_id], f"{event.step_id} started after its end"
        elif isinstance(event, StepFinished):
            ended[event.step_id] += 1
    dropped = {event.step_id for event in log.events if isinstance(event, StepDropped)}
    assert set(ended) == set(planned) - dropped
    assert all(count == 1 for count in ended.values())

"""One run from the task to the answer: plan, execute, join, replan."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from treadle.core.chat import ChatModel, Message, Usage
from treadle.core.errors import ErrorInfo, InputError, TreadleError
from treadle.core.event_log import EventLog
from treadle.core.events import (
    AnswerDelta,
    ModelCalled,
    Payload,
    PlanningStarted,
    PlanReady,
    RunFinished,
    RunStarted,
    RunStatus,
)
from treadle.core.json_value import JsonValue, as_text
from treadle.core.model_call import ModelDeadlines
from treadle.core.program import Program, current_program
from treadle.executor import Execution, RunResult
from treadle.executor.node import Node, State
from treadle.planner.check import check_plan
from treadle.planner.joiner import Answer, GiveUp, Joiner, Observation, Replan
from treadle.planner.llm_planner import MAX_TASK, LLMPlanner
from treadle.planner.plan import Plan
from treadle.planner.prompt import Prompts
from treadle.tools import ToolRegistry
from treadle.tools.artifacts import ArtifactStore, as_json

_STATUS: dict[State, RunStatus] = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.WAITING: "waiting",
}


@dataclass(frozen=True, slots=True)
class Settled:
    """How a run works, whatever its task: shared by all runs of a Runtime."""

    model: ChatModel
    tools: ToolRegistry
    prompts: Prompts
    deadlines: ModelDeadlines
    artifacts: ArtifactStore
    max_replans: int
    max_repairs: int


class Pipeline:
    """Runs one task, or one finished plan, and records everything in `log`."""

    def __init__(
        self,
        settled: Settled,
        task: str | Plan,
        *,
        log: EventLog,
        program: Program,
        execution: Execution,
        history: Sequence[Message] = (),
        output_type: Any = None,
    ) -> None:
        self.log = log
        self._settled = settled
        self._task = task
        self._program = program
        self._execution = execution
        self._history = tuple(history)
        self._output_type = output_type
        self._output: Any = None
        self._runner: asyncio.Task[Any] | None = None
        self._cancelled = False

    async def run(self) -> RunResult:
        """The whole run. A failed run is a result, not an exception."""
        self._runner = asyncio.current_task()
        token = current_program.set(self._program)
        status: RunStatus = "failed"
        answer: JsonValue = None
        error: ErrorInfo | None = None
        try:
            if self._cancelled:
                raise asyncio.CancelledError
            status, answer, error = await self._stages()
        except TreadleError as failure:
            status, error = await self._break_off(ErrorInfo.of(failure))
        except asyncio.CancelledError:
            status, error = await self._break_off(None)
            if not self._cancelled:
                raise
            assert self._runner is not None
            self._runner.uncancel()
        finally:
            current_program.reset(token)
            kept = self._settled.artifacts.keep(answer)
            self.log.append(
                RunFinished(
                    status=status,
                    answer=None if answer is None else Payload(as_json(kept)),
                    error=error,
                    usage=self._usage(),
                )
            )
        return RunResult.from_events(self.log.events, self._output)

    def cancel(self) -> None:
        """Stop the run soon; `run` returns with the status `cancelled`."""
        if self._cancelled:
            return
        self._cancelled = True
        if self._runner is not None and not self._runner.done():
            self._runner.cancel()

    async def _stages(self) -> tuple[RunStatus, JsonValue, ErrorInfo | None]:
        task = self._task
        self.log.append(RunStarted(task=Payload(task) if isinstance(task, str) else None))
        plan = task if isinstance(task, Plan) else await self._plan(task)
        if isinstance(task, Plan):
            check_plan(plan, self._settled.tools)
            for step in plan.steps:
                self._execution.add(step)
        self._announce(plan)
        self._execution.seal(plan)
        await self._execution.settle()
        answer: JsonValue = None
        if isinstance(task, str):
            plan, answer = await self._join(task, plan)
        state = self._execution.finish()
        if state is not State.SUCCEEDED:
            return _STATUS[state], answer, self._execution.first_failure()
        if answer is None and plan.answer is not None:
            answer = self._execution.answer(plan.answer)
            self._stream_answer(answer)
        if self._output_type is not None:
            answer = await self._typed(answer)
        return "succeeded", answer, None

    async def _plan(self, task: str) -> Plan:
        if not task.strip():
            raise InputError("empty_task", "say what is to be done")
        if len(task) > MAX_TASK:
            raise InputError(
                "task_too_long",
                f"a task of {len(task):,} characters; at most {MAX_TASK:,} are planned: put the "
                f"text into a file and name the file",
            )
        settled = self._settled
        planner = LLMPlanner(
            settled.model,
            settled.prompts,
            max_repairs=settled.max_repairs,
            deadlines=settled.deadlines,
        )
        self.log.append(PlanningStarted(model=settled.model.name))
        plan: Plan | None = None
        async with aclosing(planner.stream(task, settled.tools, self._history)) as planned:
            async for part in planned:
                if isinstance(part, Plan):
                    plan = part
                else:
                    self._execution.add(part)
        assert plan is not None, "the planner ends with a plan or an exception"
        return plan

    async def _join(self, task: str, plan: Plan) -> tuple[Plan, JsonValue]:
        """Let the joiner answer or replan where the plan alone does not: see `_clean`."""
        settled = self._settled
        joiner = Joiner(
            settled.model,
            settled.prompts,
            max_repairs=settled.max_repairs,
            deadlines=settled.deadlines,
        )
        for replan in range(settled.max_replans + 1):
            if self._clean(plan):
                break
            decision = await joiner.decide(
                task,
                plan,
                [_observation(node, settled.artifacts) for node in self._execution.nodes],
                settled.tools,
                started=self._execution.started(),
                remaining=settled.max_replans - replan,
                history=self._history,
                on_answer=self._on_answer,
            )
            unresolved = self._execution.unresolved()
            match decision:
                case Answer(text):
                    self._execution.resolve(unresolved)
                    return plan, text
                case GiveUp():
                    break
                case Replan(patched):
                    self._execution.resolve(unresolved)
                    plan = patched
                    self.log.append(
                        PlanningStarted(model=settled.model.name, replan=replan + 1)
                    )
                    self._announce(plan)
                    self._execution.patch(plan)
                    await self._execution.settle()
        return plan, None

    def _clean(self, plan: Plan) -> bool:
        """Whether no joiner is needed: it may be a real failure, or the answer is at hand."""
        if self._execution.unresolved():
            return False
        if self._execution.first_failure() is not None or self._execution.stopping:
            return True
        return plan.answer is not None or self._execution.held()

    def _announce(self, plan: Plan) -> None:
        self.log.append(
            PlanReady(plan_hash=plan.hash, version=plan.version, plan=Payload(plan.wire()))
        )

    def _on_answer(self, text: str) -> None:
        self.log.append(AnswerDelta(text=text))

    def _stream_answer(self, answer: JsonValue) -> None:
        if isinstance(answer, str):
            self.log.append(AnswerDelta(text=answer))

    async def _typed(self, answer: JsonValue) -> JsonValue:
        """The answer as the type that was asked for: as it is if it fits, else by the model."""
        adapter: TypeAdapter[Any] = TypeAdapter(self._output_type)
        try:
            self._output = adapter.validate_python(answer)
        except ValidationError:
            from treadle.serving.structured import ask_structured

            task = self._task if isinstance(self._task, str) else "Give the answer."
            observed = "\n".join(
                _observation(node, self._settled.artifacts).described()
                for node in self._execution.nodes
            )
            question = f"{task}\n\nOutputs:\n{observed}\n\nAnswer so far: {as_text(answer)}"
            self._output, _ = await ask_structured(
                self._settled.model,
                [
                    Message("system", "Give the answer to the task as JSON, from the outputs."),
                    Message("user", question),
                ],
                adapter,
                name="answer",
                purpose="join",
                deadlines=self._settled.deadlines,
            )
        value: JsonValue = adapter.dump_python(self._output, mode="json")
        return value

    async def _break_off(self, error: ErrorInfo | None) -> tuple[RunStatus, ErrorInfo | None]:
        """End what runs, and say how the run ended."""
        if error is None:
            self._execution.cancel()
        else:
            self._execution.abort()
        await _shielded(self._execution)
        self._execution.finish()
        if error is not None:
            return "failed", error
        return "cancelled", ErrorInfo("cancelled", "the run was cancelled; what was done is kept")

    def _usage(self) -> Usage:
        calls = (event.usage for event in self.log.events if isinstance(event, ModelCalled))
        return sum(calls, Usage())


async def _shielded(execution: Execution) -> None:
    """Wait for the execution to end, however often the waiting itself is cancelled."""
    waiting = asyncio.ensure_future(execution.settle())
    while not waiting.done():
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            continue


def _observation(node: Node, artifacts: ArtifactStore) -> Observation:
    final = {
        State.SUCCEEDED: "succeeded",
        State.FAILED: "failed",
        State.SKIPPED: "skipped",
        State.CANCELLED: "cancelled",
    }
    return Observation(
        node.step.id,
        node.step.tool,
        node.step.args,
        final.get(node.state, "not_run"),
        artifacts.load(node.output),
        node.error,
    )


"""The LLM planner: words in, checked steps out while the model is still writing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeAlias

from treadle.core.chat import ChatModel, ChatRequest, Message, ResponseSchema, TextDelta
from treadle.core.errors import ErrorInfo, InputError, ModelError, PlanError
from treadle.core.events import RepairRequested
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines, stream_model
from treadle.core.program import current_program
from treadle.core.remembered import remembered_turns
from treadle.planner.builder import PlanBuilder, Problem
from treadle.planner.plan import Plan
from treadle.planner.prompt import Prompts, describe_tools
from treadle.planner.schema import plan_schema
from treadle.planner.shown_tools import MOST_SHOWN, ShownTools
from treadle.planner.step import OnFailure, Step
from treadle.planner.stream import PlanStream, StepText
from treadle.tools import ToolRegistry

MAX_TASK = 200_000
"""Characters that a task may have."""

_TAIL = 4_000  # characters read behind the plan's end, to notice a second plan
_RECENT = 2  # earlier tasks of a conversation that have a say in which tools are shown
_SHOWN = 20_000  # characters of a broken reply that the model is shown again

Planned: TypeAlias = Step | Plan


class LLMPlanner:
    """Asks a model for plans.

    max_repairs: how often the model is asked again to mend what it wrote, per plan.
    most_tools: how many tools it is shown; of more those that fit the task. Every tool may be used.
    shown: chooses them, in place of a chooser of its own for `most_tools`.
    """

    def __init__(
        self,
        model: ChatModel,
        prompts: Prompts,
        *,
        max_repairs: int = 2,
        most_tools: int = MOST_SHOWN,
        shown: ShownTools | None = None,
        deadlines: ModelDeadlines = DEFAULT_DEADLINES,
    ) -> None:
        self._model = model
        self._prompts = prompts
        self._max_repairs = max_repairs
        self._shown = shown or ShownTools(most_tools)
        self._deadlines = deadlines

    async def stream(
        self,
        task: str,
        tools: ToolRegistry,
        history: Sequence[Message] = (),
        remembered: str = "",
    ) -> AsyncGenerator[Planned, None]:
        """Yield each checked step as soon as its JSON closes; the Plan comes last.

        remembered: what memory has on the task; see `treadle.core.remembered`.

        Raises InputError for a task that cannot be planned, PlanError when the plan is still
        malformed after all repairs, and ModelError.
        """
        check_task(task)
        builder = PlanBuilder(tools, OnFailure.REPLAN)
        # What was asked before comes along: "the same for Paris" names no tool.
        asked = [each.content for each in history if each.role == "user"]
        shown = self._shown.of(tools, [task, *asked[-_RECENT:]])
        recalled = remembered_turns(remembered)
        messages = [*self._opening(shown), *history, *recalled, Message("user", task)]
        schema = ResponseSchema("plan", plan_schema(shown))
        purpose = "plan"
        for attempt in range(1, self._max_repairs + 2):
            reply = _Reply()
            request = ChatRequest(tuple(messages), response_schema=schema)
            async with aclosing(self._read(request, purpose, builder, reply)) as steps:
                async for step in steps:
                    yield step
            builder.end()
            problems = builder.take_problems()
            if not problems:
                yield builder.build()
                return
            if attempt > self._max_repairs:
                raise reply.cut or problems[0].error
            _report(attempt, problems)
            purpose = "repair"
            messages += [
                Message("assistant", reply.text[:_SHOWN] or "(nothing)"),
                Message("user", self._repair(problems, builder)),
            ]

    async def _read(
        self, request: ChatRequest, purpose: str, builder: PlanBuilder, reply: _Reply
    ) -> AsyncGenerator[Step, None]:
        parser = PlanStream()
        behind = 0
        try:
            async with aclosing(
                stream_model(self._model, request, purpose=purpose, deadlines=self._deadlines)
            ) as deltas:
                async for delta in deltas:
                    if not isinstance(delta, TextDelta):
                        continue
                    reply.text += delta.text if len(reply.text) < _SHOWN else ""
                    for part in parser.feed(delta.text):
                        if isinstance(part, StepText):
                            for step in builder.add(part.document):
                                yield step
                        elif part.name == "answer":
                            builder.set_answer(part.value)
                    behind += len(delta.text) if parser.complete else 0
                    if behind > _TAIL:
                        break
            for part in parser.finish():
                assert not isinstance(part, StepText), "a step closes with a bracket"
        except PlanError as error:
            builder.problems.append(Problem(error))
        except ModelError as error:
            if error.code != "model_stream_cut":
                raise
            if parser.complete:
                return  # only what would have followed the plan is missing
            reply.cut = error
            cut = PlanError("plan_truncated", f"the plan broke off after {parser.steps} steps")
            builder.problems.append(Problem(cut))

    def _opening(self, tools: ToolRegistry) -> list[Message]:
        """What is the same in every call with the same tools, so that its prefix stays cached."""
        examples = self._prompts.fill("examples")
        text = self._prompts.fill("plan", tools=describe_tools(tools), examples=examples)
        return [Message("system", text)]

    def _repair(self, problems: list[Problem], builder: PlanBuilder) -> str:
        return self._prompts.fill(
            "repair",
            problems="\n".join(problem.described() for problem in problems[:20]),
            accepted=", ".join([*(step.id for step in builder.accepted), *builder.waiting])
            or "(none)",
        )


def check_task(task: str) -> None:
    """Raises InputError for a task that cannot be planned: `empty_task`, `task_too_long`."""
    if not task.strip():
        raise InputError("empty_task", "say what is to be done")
    if len(task) > MAX_TASK:
        raise InputError(
            "task_too_long",
            f"a task of {len(task):,} characters; at most {MAX_TASK:,} are planned: put the text "
            f"into a file and name the file",
        )


class _Reply:
    def __init__(self) -> None:
        self.text = ""
        self.cut: ModelError | None = None


def _report(attempt: int, problems: list[Problem]) -> None:
    program = current_program.get()
    if program is not None:
        errors = tuple(ErrorInfo.of(problem.error) for problem in problems)
        program.log.append(RepairRequested(attempt=attempt, errors=errors))

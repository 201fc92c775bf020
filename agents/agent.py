"""An agent: instructions, a model and tools, in a loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from treadle.agents.output_type import adapter_for
from treadle.core.chat import ChatModel, ChatReply, ChatRequest, Message, ToolCall, Usage
from treadle.core.errors import (
    BudgetExceeded,
    ConfigError,
    ErrorInfo,
    ModelError,
    ToolError,
    TreadleError,
)
from treadle.core.events import Payload, ToolCalled
from treadle.core.json_value import JsonValue, as_text
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines, call_model
from treadle.core.program import current_program
from treadle.executor.approval import ApprovalRequest, Approve, PendingCall, needs_approval
from treadle.tools import Effect, Tool, ToolRegistry, tool
from treadle.tools.tool import active_trace

MAX_RESULT = 20_000
"""Characters of one tool's output that the model is shown."""

STEP_TIMEOUT = 900.0
"""Seconds for an agent as a step of a plan."""


@dataclass(frozen=True, slots=True)
class AgentResult:
    """What an agent came to: its text, the whole conversation, and what it used.

    output is the value of the agent's `output_type`, or the text where it has none.
    """

    text: str
    output: Any
    messages: tuple[Message, ...]
    usage: Usage


class Agent:
    """A model that works on a task with tools until it has an answer.

    name: how plans call it; unique among tools and agents.
    instructions: what it is told before each task.
    model: a ChatModel, or None for the model of the Runtime that runs it.
    description: what the planner reads; the first line of the instructions by default.
    max_turns: model calls for one task.
    output_type: a type that pydantic knows, for structured answers.
    """

    def __init__(
        self,
        name: str,
        instructions: str,
        *,
        model: ChatModel | None = None,
        tools: Iterable[Tool | Agent] = (),
        description: str | None = None,
        max_turns: int = 12,
        output_type: Any = None,
        deadlines: ModelDeadlines = DEFAULT_DEADLINES,
    ) -> None:
        if isinstance(model, str):
            raise ConfigError(
                "bad_model", "an Agent takes a ChatModel; use resolve_model for a name"
            )
        if max_turns < 1:
            raise ConfigError("bad_agent", f"agent '{name}': {max_turns} turns do nothing")
        self.name = name
        self.instructions = instructions
        self.description = description or next(iter(instructions.strip().splitlines()), name)
        self.model = model
        self.max_turns = max_turns
        self.output_type = output_type
        self._output_adapter = None if output_type is None else adapter_for(output_type)
        self._given = tuple(tools)
        self._deadlines = deadlines

    def __call__(self, task: object) -> Any:
        """Inside a `@workflow`: a step that gives this agent `task`. Elsewhere use `run`."""
        trace = active_trace.get()
        if trace is None:
            raise ConfigError("not_in_workflow", f"await {self.name}.run(task) outside a workflow")
        return trace(self.as_tool(None), (), {"task": task})

    async def run(
        self,
        task: str,
        *,
        model: ChatModel | None = None,
        history: Sequence[Message] = (),
        approve: Approve | None = None,
    ) -> AgentResult:
        """Work on `task`.

        model: used where the agent has none of its own.
        approve: decides on tools with effects; without it the model is told that they are refused.

        Raises ModelError (`agent_turns_exhausted`, and the model's own), BudgetExceeded, and
        ConfigError (`agent_without_model`).
        """
        used = self.model or model
        if used is None:
            raise ConfigError("agent_without_model", f"agent '{self.name}' needs a model")
        tools = self._tools(used)
        opening = [Message("system", self.instructions)] if self.instructions else []
        messages = [*opening, *history, Message("user", task)]
        specs = tuple(each.spec for each in tools.values())
        usage = Usage()
        for _ in range(self.max_turns):
            request = ChatRequest(tuple(messages), tools=specs)
            reply = await call_model(used, request, purpose="agent", deadlines=self._deadlines)
            usage += reply.usage
            messages.append(Message("assistant", reply.text, tool_calls=reply.tool_calls))
            if not reply.tool_calls:
                return await self._answer(used, reply, messages, usage)
            messages += await self._call_all(tools, reply.tool_calls, approve)
        raise ModelError(
            "agent_turns_exhausted",
            f"agent '{self.name}' had no answer after {self.max_turns} turns; raise max_turns or "
            f"give it a smaller task",
        )

    def as_tool(self, model: ChatModel | None) -> Tool:
        """This agent as a tool with one argument, `task`; its effect is that of its tools."""

        async def work(task: str) -> Any:
            # The plan that has this step was approved with the agent's effects in view.
            result = await self.run(task, model=model, approve=_approved_with_the_plan)
            return result.output

        work.__annotations__["return"] = self.output_type or str
        tools = self._tools(self.model or model)
        effect = max((each.effect for each in tools.values()), key=_severity, default=Effect.READ)
        if effect is Effect.PURE:
            effect = Effect.READ  # what a model says is never the same for certain
        return tool(
            name=self.name,
            description=f"{self.description} (an agent: give it a task in words)",
            effect=effect,
            timeout=STEP_TIMEOUT,
            calls_model=True,
        )(work)

    def _tools(self, model: ChatModel | None) -> ToolRegistry:
        return ToolRegistry(
            each.as_tool(model) if isinstance(each, Agent) else each for each in self._given
        )

    async def _answer(
        self, model: ChatModel, reply: ChatReply, messages: list[Message], usage: Usage
    ) -> AgentResult:
        if self._output_adapter is None:
            return AgentResult(reply.text, reply.text, tuple(messages), usage)
        from treadle.serving.structured import ask_structured

        wish = Message("user", "Give that answer as JSON.")
        output, more = await ask_structured(
            model,
            [*messages, wish],
            self._output_adapter,
            name="answer",
            purpose="agent",
            deadlines=self._deadlines,
        )
        return AgentResult(reply.text, output, tuple(messages), usage + more)

    async def _call_all(
        self, tools: ToolRegistry, calls: Sequence[ToolCall], approve: Approve | None
    ) -> list[Message]:
        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(_call_one(tools, call, approve)) for call in calls]
        except BaseExceptionGroup as failed:
            # The budget is used up, or nobody may be asked: callers know that by its own type.
            first = failed.exceptions[0]
            raise first from first.__cause__
        return [each.result() for each in running]


async def _call_one(tools: ToolRegistry, call: ToolCall, approve: Approve | None) -> Message:
    """One tool call of the model's; a failure is an answer that the model sees."""
    program = current_program.get()
    arguments: dict[str, Any] = {}
    output: JsonValue = None
    failure: ErrorInfo | None = None
    try:
        wanted = tools.find(call.name)
        arguments = _arguments(call)
        if program is not None:
            program.budget.reserve_step()
        if needs_approval(wanted):
            await _ask(wanted, arguments, approve)
        output = await wanted.call(arguments)
        text = as_text(output)
        if len(text) > MAX_RESULT:
            text = f"{text[:MAX_RESULT]}\n(cut: {len(text):,} characters in all)"
    except BudgetExceeded:
        raise
    except TreadleError as error:
        failure = ErrorInfo.of(error)
        text = f"error: {failure}"
    if program is not None:
        program.log.append(
            ToolCalled(
                step_id=program.step_id,
                tool=call.name,
                arguments=Payload(arguments),
                output=None if failure is not None else Payload(output),
                error=failure,
            )
        )
    return Message("tool", text, tool_call_id=call.id)


async def _ask(wanted: Tool, arguments: dict[str, Any], approve: Approve | None) -> None:
    if approve is None:
        raise ToolError("approval_needed", f"'{wanted.name}' changes things; nobody may agree here")
    program = current_program.get()
    pending = PendingCall("agent", wanted.name, wanted.effect, arguments)
    request = ApprovalRequest(program.run_id if program is not None else "", "", (pending,))
    if not await approve(request):
        raise ToolError("approval_denied", f"the call of '{wanted.name}' was not approved")


async def _approved_with_the_plan(request: ApprovalRequest) -> bool:
    return True


def _arguments(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise ToolError("invalid_arguments", f"'{call.name}': not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise ToolError("invalid_arguments", f"'{call.name}': the arguments must be an object")
    return arguments


def _severity(effect: Effect) -> int:
    return effect.severity

"""An agent: instructions, a model and tools, in a loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from treadle.agents.agent_approval import approved_with_the_plan
from treadle.agents.agent_calls import AgentCalls
from treadle.agents.agent_outlook import unforeseen
from treadle.agents.output_type import adapter_for
from treadle.core.chat import ChatModel, ChatReply, ChatRequest, Message, Usage
from treadle.core.clock import SystemClock
from treadle.core.errors import ConfigError, ModelError
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines, call_model
from treadle.executor.approval import Approve
from treadle.executor.calling import ToolCaller
from treadle.tools import Effect, Tool, ToolRegistry, tool
from treadle.tools.tool import active_trace

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
        self._caller = ToolCaller(SystemClock())

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

        Within a run its calls go under the limits that all calls of the Runtime share; outside of
        any, under those of this Agent's own calls. See `AgentCalls`.

        Raises ModelError (`agent_turns_exhausted`, and the model's own), BudgetExceeded, RunError
        where the run's journal takes nothing more, and ConfigError (`agent_without_model`).
        """
        used = self.model or model
        if used is None:
            raise ConfigError("agent_without_model", f"agent '{self.name}' needs a model")
        tools = self._tools(used)
        opening = [Message("system", self.instructions)] if self.instructions else []
        messages = [*opening, *history, Message("user", task)]
        specs = tuple(each.spec for each in tools.values())
        calls = AgentCalls(tools, self._caller, approve)
        more_to_come = bool(specs) or self._output_adapter is not None
        usage = Usage()
        for _ in range(self.max_turns):
            request = ChatRequest(tuple(messages), tools=specs)
            with unforeseen(whether=more_to_come):
                reply = await call_model(used, request, purpose="agent", deadlines=self._deadlines)
            usage += reply.usage
            messages.append(Message("assistant", reply.text, tool_calls=reply.tool_calls))
            if not reply.tool_calls:
                return await self._answer(used, reply, messages, usage)
            messages += await calls.make(reply.tool_calls)
        raise ModelError(
            "agent_turns_exhausted",
            f"agent '{self.name}' had no answer after {self.max_turns} turns; raise max_turns or "
            f"give it a smaller task",
        )

    def as_tool(self, model: ChatModel | None) -> Tool:
        """This agent as a tool with one argument, `task`; its effect is that of its tools."""

        async def work(task: str) -> Any:
            result = await self.run(task, model=model, approve=approved_with_the_plan)
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


def _severity(effect: Effect) -> int:
    return effect.severity

"""An agent: instructions, a model and tools, in a loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from typing_extensions import TypeVar

from treadle.agents.agent_approval import approved_with_the_plan
from treadle.agents.agent_calls import AgentCalls
from treadle.agents.agent_outlook import unforeseen
from treadle.agents.output_type import adapter_for
from treadle.agents.runs.scope import current_scope
from treadle.core.chat import (
    ChatModel,
    ChatReply,
    ChatRequest,
    FunctionSpec,
    Message,
    ToolCall,
    Usage,
)
from treadle.core.clock import SystemClock
from treadle.core.errors import ConfigError, ModelError
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines, call_model
from treadle.core.taint import CallTaint, current_taint, labels_of, listed
from treadle.executor.approval import Approve
from treadle.executor.calling import ToolCaller
from treadle.tools import Effect, Tool, ToolRegistry, tool
from treadle.tools.dry import dry
from treadle.tools.tool import active_trace

if TYPE_CHECKING:
    from treadle.tools.codemode import CodeModeLimits

MakeCalls: TypeAlias = "Callable[[Sequence[ToolCall]], Awaitable[list[Message]]]"

STEP_TIMEOUT = 900.0
"""Seconds for an agent as a step of a plan."""


OutputT = TypeVar("OutputT", default=Any)


@dataclass(frozen=True, slots=True)
class AgentResult(Generic[OutputT]):
    """What an agent came to: its text, the whole conversation, and what it used.

    output is the value of the agent's `output_type`, or the text where it has none; of a CodeAgent
    a CodeResult, of a RepositoryAgent a RepositoryResult.
    """

    text: str
    output: OutputT
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
    code_mode: whether the model is given one tool in place of all, that runs a snippet of Python
        which calls them; limits of a snippet in place of True. See `treadle.tools.codemode`.
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
        code_mode: bool | CodeModeLimits = False,
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
        self._given = tuple(tools.values() if isinstance(tools, ToolRegistry) else tools)
        self._code_mode = code_mode
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
        taint = taint_of(history)
        messages = [*opening, *history, Message("user", task, taint=listed(taint.inputs))]
        async with AsyncExitStack() as stack:
            specs, make = await self._calling(tools, approve, stack, taint)
            more_to_come = bool(specs) or self._output_adapter is not None
            usage = Usage()
            for _ in range(self.max_turns):
                request = ChatRequest(tuple(messages), tools=specs)
                with unforeseen(whether=more_to_come):
                    reply = await call_model(
                        used, request, purpose="agent", deadlines=self._deadlines
                    )
                usage += reply.usage
                said = Message(
                    "assistant",
                    reply.text,
                    tool_calls=reply.tool_calls,
                    taint=listed(taint.labels),
                )
                messages.append(said)
                if not reply.tool_calls:
                    return await self._answer(used, reply, messages, usage)
                messages += await make(reply.tool_calls)
        raise ModelError(
            "agent_turns_exhausted",
            f"agent '{self.name}' had no answer after {self.max_turns} turns; raise max_turns or "
            f"give it a smaller task",
        )

    def as_tool(self, model: ChatModel | None, *, dry_run: bool = False) -> Tool:
        """This agent as a tool with one argument, `task`; its effect is that of its tools.

        dry_run: its tools are those of a dry run.
        """

        async def work(task: str) -> Any:
            result = await self.run(task, model=model, approve=approved_with_the_plan)
            return result.output

        work.__annotations__["return"] = self.output_type or str
        tools = self._tools(self.model or model, dry_run)
        effect = max((each.effect for each in tools.values()), key=_severity, default=Effect.READ)
        if effect is Effect.PURE:
            effect = Effect.READ  # what a model says is never the same for certain
        return tool(
            name=self.name,
            description=f"{self.description} (an agent: give it a task in words)",
            effect=effect,
            timeout=STEP_TIMEOUT,
            calls_model=True,
            guards_calls=True,
            # In a dry run it takes the tools of one by itself.
            mock=work,
        )(work)

    def _tools(self, model: ChatModel | None, dry_run: bool = False) -> ToolRegistry:
        scope = current_scope()
        is_dry = dry_run or (scope is not None and scope.dry_run)
        tools = (
            each.as_tool(model, dry_run=is_dry) if isinstance(each, Agent) else each
            for each in self._given
        )
        return ToolRegistry(map(dry, tools)) if is_dry else ToolRegistry(tools)

    async def _calling(
        self,
        tools: ToolRegistry,
        approve: Approve | None,
        stack: AsyncExitStack,
        taint: CallTaint,
    ) -> tuple[tuple[FunctionSpec, ...], MakeCalls]:
        """What the model is offered, and what makes the calls that it asks for."""
        calls = AgentCalls(tools, self._caller, approve, taint)
        if not self._code_mode or not tools:
            return tuple(each.spec for each in tools.values()), calls.make
        from treadle.agents.code_mode import CodeModeCalls

        limits = None if isinstance(self._code_mode, bool) else self._code_mode
        snippets = await stack.enter_async_context(CodeModeCalls(tools, calls, taint, limits))
        return (snippets.spec,), snippets.make

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


def taint_of(history: Sequence[Message]) -> CallTaint:
    """What an agent has read when it begins: its history, and the task of the call that it is."""
    around = current_taint.get()
    if around is None:
        return CallTaint(labels_of(history))
    # Whatever it reads, the call that it is has read.
    around.add(labels_of(history))
    return around


def _severity(effect: Effect) -> int:
    return effect.severity

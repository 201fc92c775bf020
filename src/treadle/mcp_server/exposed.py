"""What an MCP server of ours offers: each is a run of a Runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from treadle.agents.agent import Agent
from treadle.agents.runs.run_stream import RunStream
from treadle.agents.runtime import Runtime
from treadle.core.errors import ConfigError, ToolError
from treadle.core.json_value import JsonSchema, JsonValue
from treadle.executor.approval import Approve
from treadle.planner.plan import Plan
from treadle.planner.workflow import Workflow
from treadle.tools import Effect, Tool
from treadle.tools.signature import Signature, described, signature_of

LONGEST_TASK = 100_000
"""Characters of a task."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """Something that clients can call: a name, a schema, and how a run of it begins.

    work: makes the task or the plan from the arguments, which were checked.
    effect: the worst that a call may do.
    """

    name: str
    description: str
    signature: Signature
    effect: Effect
    runtime: Runtime
    work: Callable[[Mapping[str, Any]], str | Plan]

    @property
    def parameters(self) -> JsonSchema:
        """JSON schema of the arguments."""
        return self.signature.parameters

    def start(self, arguments: Mapping[str, JsonValue], approve: Approve | None) -> RunStream:
        """A run that has not begun.

        Raises ToolError (`invalid_arguments`), PlanError and InputError.
        """
        checked = self.signature.check(self.name, arguments)
        return self.runtime.stream(self.work(checked), approve=approve)


def exposed_by(objects: Iterable[tuple[str, object]], runtime: Runtime) -> tuple[Exposed, ...]:
    """What `objects` (each with the name that it was found under) are as tools.

    runtime: carries out what is no Runtime itself; its tools are those that workflows use.

    Raises ConfigError (`bad_mcp_object`) for what cannot be offered, and for a name twice.
    """
    found: dict[str, Exposed] = {}
    for name, each in objects:
        made = _exposed(name, each, runtime)
        if made.name in found:
            raise ConfigError("bad_mcp_object", f"there are two things named '{made.name}'")
        found[made.name] = made
    return tuple(found.values())


def _exposed(name: str, each: object, runtime: Runtime) -> Exposed:
    if isinstance(each, Runtime):
        return _runtime(name, each)
    if isinstance(each, Workflow):
        return _workflow(each, runtime)
    if isinstance(each, Agent):
        return _tool(runtime.tools.get(each.name), each.name, runtime)
    if isinstance(each, Tool):
        return _tool(runtime.tools.get(each.name), each.name, runtime)
    raise ConfigError(
        "bad_mcp_object",
        f"'{name}' is a {type(each).__name__}; an MCP server offers Runtimes, Agents, workflows "
        f"and tools",
    )


def _runtime(name: str, runtime: Runtime) -> Exposed:
    async def run(task: str) -> str:
        """Plan a task that is given in words, carry it out with tools, and answer.

        Args:
            task: What is to be done, in words, with everything that it needs.
        """
        raise NotImplementedError

    def work(arguments: Mapping[str, Any]) -> str:
        task = str(arguments["task"])
        if len(task) > LONGEST_TASK:
            raise ToolError("invalid_arguments", f"a task of more than {LONGEST_TASK:,} characters")
        return task

    signature = signature_of(run, name)
    return Exposed(name, described(run), signature, _worst(runtime), runtime, work)


def _workflow(workflow: Workflow, runtime: Runtime) -> Exposed:
    function = workflow.function
    name = function.__name__
    return Exposed(
        name,
        described(function) or f"The workflow {name}.",
        signature_of(function, name),
        _worst(runtime),
        runtime,
        lambda arguments: workflow.plan(**arguments),
    )


def _tool(tool: Tool | None, name: str, runtime: Runtime) -> Exposed:
    if tool is None:
        raise ConfigError(
            "bad_mcp_object", f"'{name}' is not among the tools of the Runtime that is to run it"
        )

    def only(**arguments: Any) -> Any:
        return tool(**arguments)

    whole = Workflow(only)
    return Exposed(
        tool.name,
        tool.description,
        tool.signature,
        tool.effect,
        runtime,
        lambda arguments: whole.plan(**arguments),
    )


def _worst(runtime: Runtime) -> Effect:
    return max(
        (each.effect for each in runtime.tools.values()),
        key=lambda effect: effect.severity,
        default=Effect.READ,
    )

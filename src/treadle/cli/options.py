"""The options that commands share, and the Runtime that they make."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from treadle.core.errors import ConfigError, TreadleError
from treadle.core.json_value import JsonValue

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from treadle.agents.agent import Agent
    from treadle.agents.runs.run_memory import Remembers
    from treadle.agents.runtime import Runtime
    from treadle.core.settings import Settings
    from treadle.executor.approval import Approve
    from treadle.tools.tool import Tool

Model = Annotated[
    str | None,
    typer.Option(
        help="openai:NAME, vllm:URL, sglang:URL, dynamo:URL, ollama:NAME, a base URL#NAME, "
        "or offline.",
        show_default="what is configured, see doctor",
    ),
]
Tools = Annotated[
    list[str] | None,
    typer.Option(metavar="MODULE:ATTR", help="Tools to add: an attribute that is a list of them."),
]
Mcp = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="Use the approved tools of this MCP server; see treadle mcp."
    ),
]
UseMade = Annotated[
    bool,
    typer.Option("--made", help="Use the approved tools that models made; see treadle tools made."),
]
UseMemory = Annotated[
    bool,
    typer.Option("--memory/--no-memory", help="Whether plans may remember, recall and forget."),
]
Workspace = Annotated[
    Path | None, typer.Option(help="The folder that tools see.", show_default="current folder")
]
AllowHost = Annotated[
    list[str] | None, typer.Option(metavar="HOST", help="A host that fetch_url may contact.")
]
MaxParallel = Annotated[int, typer.Option(help="Calls that run at once.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        help="Where runs are kept: sqlite:///FILE or postgresql://...",
        show_default="TREADLE_DATABASE_URL, or a file in the user's state folder",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Approve every call that asks.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
MaxSteps = Annotated[int | None, typer.Option(help="Budget: step executions.")]
MaxSeconds = Annotated[float | None, typer.Option(help="Budget: seconds.")]
MaxTokens = Annotated[int | None, typer.Option(help="Budget: tokens.")]
MaxCost = Annotated[
    float | None, typer.Option(help="Budget: money, by the prices in the config file.")
]


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """What the commands are told about the Runtime to make."""

    model: str | None = None
    tools: tuple[str, ...] = ()
    workspace: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    max_parallel: int = 8
    yes: bool = False
    json: bool = False
    debug: bool = False
    max_steps: int | None = None
    max_seconds: float | None = None
    max_tokens: int | None = None
    database: str | None = None
    max_cost: float | None = None
    mcp: tuple[str, ...] = ()
    made: bool = False
    memory: bool = True

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked: both ends of the terminal are there."""
        return not self.json and sys.stdin.isatty() and sys.stderr.isatty()


def list_of(values: list[str] | None) -> tuple[str, ...]:
    """The values of an option that can be given several times."""
    return tuple(values or ())


@asynccontextmanager
async def make_runtime(
    options: CommonOptions, *, approve: Approve | None = None
) -> AsyncIterator[Runtime]:
    """The Runtime that `options` describe, with the MCP servers that they name.

    Raises ConfigError, and what `lent_tools` raises.
    """
    async with (
        all_tools(options) as tools,
        new_runtime(options, tools, approve=approve) as runtime,
    ):
        yield runtime


@asynccontextmanager
async def all_tools(options: CommonOptions) -> AsyncIterator[tuple[Tool | Agent, ...]]:
    """The tools that `options` add, while the context lasts. Raises as `make_runtime` does."""
    from treadle.cli.lent_tools import lent_tools

    own = own_tools(options)
    async with AsyncExitStack() as stack:
        lent = await stack.enter_async_context(lent_tools(options, [each.name for each in own]))
        remembering: list[Tool] = []
        if options.memory:
            from treadle.cli.lent_memory import lent_memory, tools_of

            memory = await stack.enter_async_context(lent_memory(options))
            remembering = tools_of(memory, {each.name for each in (*own, *lent)})
        yield (*own, *lent, *remembering)


def own_tools(options: CommonOptions) -> list[Tool | Agent]:
    """What `--tools` adds. Raises ConfigError (`bad_tools_option`)."""
    return [each for spec in options.tools for each in load_tools(spec)]


def new_runtime(
    options: CommonOptions,
    tools: Iterable[Tool | Agent],
    *,
    approve: Approve | None = None,
    model: str | None = None,
    memory: Remembers | None = None,
) -> Runtime:
    """A Runtime that `options` describe, with these tools; `model` in place of theirs.

    memory: what is recalled for its runs, and learns from them.

    Raises ConfigError.
    """
    from treadle.agents.runtime import Runtime
    from treadle.core.budget import Budget
    from treadle.executor.approval import approve_all
    from treadle.telemetry.environment import captures_content

    runtime = Runtime(
        model=model or options.model,
        tools=tools,
        workspace=options.workspace,
        allow_hosts=options.allow_hosts,
        max_parallel=options.max_parallel,
        budget=Budget(options.max_steps, options.max_seconds, options.max_tokens, options.max_cost),
        approve=approve_all if options.yes else approve,
        database=database_url(options),
        artifacts=state_folder(settings()) / "artifacts",
        tracer=_tracer(),
        memory=memory,
        capture_content=captures_content(os.environ),
    )
    runtime.launch = _launch(options)
    return runtime


def _tracer() -> Tracer | None:
    """Where spans go, as the environment says; that they cannot go there is no reason to stop."""
    from treadle.cli.output import print_note
    from treadle.telemetry.environment import tracer_from

    try:
        return tracer_from(os.environ)
    except ConfigError as error:
        print_note(f"warning: {error}")
        return None


def database_url(options: CommonOptions) -> str:
    """Where runs are kept."""
    configured = settings()
    chosen = options.database or configured.get("database_url")
    return chosen or f"sqlite:///{(state_folder(configured) / 'treadle.db').absolute()}"


def _launch(options: CommonOptions) -> dict[str, JsonValue]:
    """What `treadle resume` needs to know of the command that began a run."""
    return {
        "model": options.model,
        "tools": list(options.tools),
        "workspace": str((options.workspace or Path.cwd()).absolute()),
        "allow_hosts": list(options.allow_hosts),
        "max_parallel": options.max_parallel,
        "max_steps": options.max_steps,
        "max_seconds": options.max_seconds,
        "max_tokens": options.max_tokens,
        "max_cost": options.max_cost,
        "mcp": list(options.mcp),
        "made": options.made,
        "memory": options.memory,
    }


def as_launched(options: CommonOptions, launch: Mapping[str, Any]) -> CommonOptions:
    """`options`, and where they say nothing, what the run was begun with."""
    workspace = launch.get("workspace")
    return replace(
        options,
        model=options.model or launch.get("model"),
        tools=options.tools or tuple(launch.get("tools", ())),
        workspace=options.workspace or (None if workspace is None else Path(workspace)),
        allow_hosts=options.allow_hosts or tuple(launch.get("allow_hosts", ())),
        max_parallel=launch.get("max_parallel", options.max_parallel),
        max_steps=launch.get("max_steps"),
        max_seconds=launch.get("max_seconds"),
        max_tokens=launch.get("max_tokens"),
        max_cost=launch.get("max_cost"),
        mcp=options.mcp or tuple(launch.get("mcp", ())),
        made=options.made or launch.get("made", False),
        memory=launch.get("memory", options.memory),
    )


def load_tools(spec: str) -> Sequence[Any]:
    """The tools behind `module:attr`; modules of the current folder can be imported.

    Raises ConfigError (`bad_tools_option`).
    """
    module_name, colon, attribute = spec.partition(":")
    if not colon or not module_name or not attribute:
        raise ConfigError("bad_tools_option", f"--tools {spec}: write MODULE:ATTR")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        value = getattr(importlib.import_module(module_name), attribute)
        found = value() if callable(value) and not _is_tool(value) else value
        items = list(found) if isinstance(found, list | tuple) else [found]
    except TreadleError:
        raise
    except (Exception, SystemExit) as error:
        # Whatever a module does while it is imported; a script without a guard ends the process.
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError("bad_tools_option", f"--tools {spec}: {reason}") from error
    for item in items:
        if not _is_tool(item):
            raise ConfigError(
                "bad_tools_option",
                f"--tools {spec}: {type(item).__name__} is no tool; name a list of tools",
            )
    return items


def _is_tool(value: object) -> bool:
    from treadle.agents.agent import Agent
    from treadle.tools.tool import Tool

    return isinstance(value, Tool | Agent)


def settings() -> Settings:
    """The settings of this process."""
    from treadle.agents.user_settings import user_settings

    return user_settings()


def state_folder(settings: Settings) -> Path:
    """Where history, artifacts and the database are kept."""
    from treadle.agents.user_settings import state_folder

    return state_folder(settings)

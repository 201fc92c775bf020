"""The Runtime: everything that runs share, and the way to start one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from treadle.agents.agent import Agent
from treadle.agents.pipeline import Pipeline, Settled
from treadle.agents.run_stream import RunStream
from treadle.core.budget import Budget, BudgetMeter
from treadle.core.chat import ChatModel, Message
from treadle.core.clock import Clock, SystemClock
from treadle.core.durations import DurationHistory
from treadle.core.errors import ConfigError, RunError
from treadle.core.event_log import EventLog
from treadle.core.ids import new_run_id
from treadle.core.loop import run_bounded
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines
from treadle.core.program import Program, current_program
from treadle.core.settings import Settings, load_settings
from treadle.executor import Approve, Execution, RunResult
from treadle.planner.llm_planner import LLMPlanner
from treadle.planner.plan import Plan
from treadle.planner.prompt import Prompts
from treadle.serving.resolve import choose_model
from treadle.tools import Tool, ToolRegistry
from treadle.tools.artifacts import ArtifactStore
from treadle.tools.builtin import builtin_tools

if TYPE_CHECKING:
    from treadle.agents.langgraph_node import RuntimeNode


class Runtime:
    """Plans and executes tasks; safe to share between concurrent tasks of one event loop.

    model: "openai:NAME", "vllm:URL", "ollama:NAME", a base URL, "offline", or a ChatModel; None
        takes what is configured (see `treadle doctor`).
    tools: Tools and Agents that plans may use, beside the built-in ones.
    builtins: whether the built-in tools are there.
    workspace: the folder that built-in tools see; the current one by default.
    allow_hosts: hosts that `fetch_url` may contact; none by default.
    max_parallel: calls that run at once in one run.
    budget: limits for each run, nested ones included.
    approve: decides on calls with effects; without it such a run ends `waiting`.
    max_replans, max_repairs: how often a plan is patched, and a malformed one mended.
    prompts: a folder with prompts that replace the ones that ship.
    artifacts: a folder for large outputs; a temporary one, deleted by `aclose`, by default.

    Raises ConfigError for what cannot be used. Nothing is contacted before the first run.
    """

    def __init__(
        self,
        *,
        model: str | ChatModel | None = None,
        tools: Iterable[Tool | Agent] = (),
        workspace: Path | str | None = None,
        allow_hosts: Sequence[str] = (),
        builtins: bool = True,
        max_parallel: int = 8,
        budget: Budget | None = None,
        approve: Approve | None = None,
        max_replans: int = 2,
        max_repairs: int = 2,
        prompts: Path | str | None = None,
        artifacts: Path | str | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
        new_id: Callable[[], str] = new_run_id,
    ) -> None:
        if max_parallel < 1:
            raise ConfigError("bad_max_parallel", f"{max_parallel} calls at once run nothing")
        self._settings = settings if settings is not None else user_settings()
        choice = choose_model(model, self._settings)
        self.model = choice.model
        """The model that plans, joins and answers."""
        self.model_source = choice.source
        """What decided on the model."""
        self.workspace = Path(workspace if workspace is not None else Path.cwd()).resolve()
        if not self.workspace.is_dir():
            raise ConfigError("bad_workspace", f"{self.workspace} is not a folder")
        own = (each.as_tool(self.model) if isinstance(each, Agent) else each for each in tools)
        included = (
            builtin_tools(self.workspace, allow_hosts=allow_hosts, model=self.model)
            if builtins
            else ()
        )
        self.tools = ToolRegistry([*included, *own])
        """Everything that plans may call."""
        folder = prompts if prompts is not None else self._settings.get("prompts")
        self._settled = Settled(
            model=self.model,
            tools=self.tools,
            prompts=Prompts(None if folder is None else Path(folder)),
            deadlines=_deadlines(self._settings),
            artifacts=ArtifactStore(None if artifacts is None else Path(artifacts)),
            max_replans=max_replans,
            max_repairs=max_repairs,
        )
        self._durations = DurationHistory()
        self._max_parallel = max_parallel
        self._budget = budget or Budget()
        self._approve = approve
        self._clock = clock or SystemClock()
        self._new_id = new_id
        self._running: set[RunStream] = set()
        self._closed = False

    async def run(
        self,
        task: str | Plan,
        *,
        output_type: Any = None,
        history: Sequence[Message] = (),
        approve: Approve | None = None,
        budget: Budget | None = None,
    ) -> RunResult:
        """Plan and execute `task` (or execute a finished plan) and return the result.

        output_type: a type that pydantic knows; `result.output` will be a value of it.
        history: the conversation before the task.
        approve, budget: for this run, in place of the Runtime's.

        A run that fails, is cancelled or waits is a result with that status, not an exception.
        """
        stream = self.stream(
            task, output_type=output_type, history=history, approve=approve, budget=budget
        )
        async with stream as run:
            async for _ in run:
                pass
        return run.result

    def run_sync(self, task: str | Plan, **options: Any) -> RunResult:
        """`run` for code without an event loop; the options are the same.

        Raises RunError (`event_loop_running`) inside one: await `run` there.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return run_bounded(self.run(task, **options))
        raise RunError("event_loop_running", "an event loop runs here already: await run() instead")

    def stream(
        self,
        task: str | Plan,
        *,
        output_type: Any = None,
        history: Sequence[Message] = (),
        approve: Approve | None = None,
        budget: Budget | None = None,
    ) -> RunStream:
        """Start a run whose events are read while it goes on; see `RunStream` and `run`."""
        pipeline = self.open_pipeline(
            task, output_type=output_type, history=history, approve=approve, budget=budget
        )
        return self.open_stream(pipeline, pipeline.run)

    def open_pipeline(
        self,
        task: str | Plan,
        *,
        output_type: Any = None,
        history: Sequence[Message] = (),
        approve: Approve | None = None,
        budget: Budget | None = None,
    ) -> Pipeline:
        """A run that has not started, for whoever drives its stages. See `run`."""
        self._check_open()
        log = EventLog(self._new_id(), self._clock)
        outer = current_program.get()
        meter = BudgetMeter(budget or self._budget, self._clock)
        if outer is not None:
            meter = meter.within(outer.budget)
        program = Program(log.run_id, meter, log)
        execution = Execution(
            self.tools,
            program,
            durations=self._durations,
            artifacts=self._settled.artifacts,
            approve=approve or self._approve,
            max_parallel=self._max_parallel,
        )
        return Pipeline(
            self._settled,
            task,
            log=log,
            program=program,
            execution=execution,
            history=history,
            output_type=output_type,
        )

    def open_stream(
        self,
        pipeline: Pipeline,
        drive: Callable[[], Awaitable[RunResult]],
        *,
        first_event: int = 0,
    ) -> RunStream:
        """The stream of a pipeline that `drive` takes through its stages."""
        return RunStream(pipeline, self._running, drive, first_event)

    async def plan(self, task: str, *, history: Sequence[Message] = ()) -> Plan:
        """Plan `task` without running anything.

        Raises PlanError, ModelError, and InputError for a task that cannot be planned.
        """
        self._check_open()
        planner = LLMPlanner(
            self.model,
            self._settled.prompts,
            max_repairs=self._settled.max_repairs,
            deadlines=self._settled.deadlines,
        )
        async with aclosing(planner.stream(task, self.tools, history)) as planned:
            async for part in planned:
                if isinstance(part, Plan):
                    return part
        raise AssertionError("the planner ends with a plan or an exception")

    def as_langgraph_node(self, **keys: str) -> RuntimeNode:
        """This Runtime as a node of a LangGraph graph; see `RuntimeNode` for the keys."""
        from treadle.agents.langgraph_node import RuntimeNode

        return RuntimeNode(self, **keys)

    async def aclose(self) -> None:
        """Cancel the runs that still go on, close the model's connections, delete artifacts."""
        if self._closed:
            return
        self._closed = True
        for run in list(self._running):
            run.cancel()
        for run in list(self._running):
            await run.ended()
        await self.model.aclose()
        self._settled.artifacts.close()

    def _check_open(self) -> None:
        if self._closed:
            raise RunError("runtime_closed", "this Runtime was closed; make a new one")

    async def __aenter__(self) -> Runtime:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def user_settings() -> Settings:
    """The settings of this process: the environment and the user's config file."""
    return load_settings(os.environ, config_file())


def config_file() -> Path:
    """The user's config file, which need not exist; TREADLE_CONFIG_DIR moves it."""
    folder = os.environ.get("TREADLE_CONFIG_DIR")
    if folder:
        return Path(folder) / "config.toml"
    from platformdirs import user_config_path

    return user_config_path("treadle") / "config.toml"


def _deadlines(settings: Settings) -> ModelDeadlines:
    total = settings.number("model_timeout", DEFAULT_DEADLINES.total)
    return ModelDeadlines(idle=min(DEFAULT_DEADLINES.idle, total), total=total)

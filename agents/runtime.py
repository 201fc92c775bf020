"""The Runtime: everything that runs share, and the way to start one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from treadle.agents.agent import Agent
from treadle.agents.runs.journals import Journals
from treadle.agents.runs.offering import offered
from treadle.agents.runs.opening import Opening, RunOptions
from treadle.agents.runs.past_plans import PastPlans
from treadle.agents.runs.pipeline import Pipeline
from treadle.agents.runs.planning import plan_alone
from treadle.agents.runs.recorded import Origin
from treadle.agents.runs.recorded_runs import RecordedRuns
from treadle.agents.runs.run_memory import Remembers, RunMemory
from treadle.agents.runs.run_stream import RunStream
from treadle.agents.runs.settled import settle
from treadle.agents.runs.tracing import Tracing
from treadle.agents.user_settings import state_folder, user_settings
from treadle.core.budget import Budget
from treadle.core.chat import ChatModel, Message
from treadle.core.clock import Clock, SystemClock
from treadle.core.durations import ToolDurations
from treadle.core.errors import ConfigError, RunError
from treadle.core.event_log import EventLog
from treadle.core.ids import new_run_id
from treadle.core.json_value import JsonValue
from treadle.core.loop import run_bounded
from treadle.core.prices import Price, PriceList
from treadle.core.program import current_program
from treadle.core.secrets import SecretProvider
from treadle.core.settings import Settings
from treadle.executor import Approve, RunResult
from treadle.executor.calling import ToolCaller
from treadle.planner.plan import Plan
from treadle.planner.shown_tools import ShownTools
from treadle.serving.resolve import choose_model
from treadle.tools import Effect, Tool, ToolRegistry

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from treadle.agents.langgraph_node import RuntimeNode
    from treadle.executor.journal import Journal

_END_GRACE = 0.2
"""Seconds that an event loop of our own stays for the engine to be told that the run is over."""


class Runtime(RecordedRuns):
    """Plans and executes tasks; safe to share between concurrent tasks of one event loop.

    model: "openai:NAME", "vllm:URL", "ollama:NAME", a base URL, "offline", or a ChatModel; None
        takes what is configured (see `treadle doctor`).
    tools: Tools and Agents that plans may use, beside the built-in ones.
    builtins: whether the built-in tools are there.
    workspace: the folder that built-in tools see; the current one by default.
    allow_hosts: hosts that `fetch_url` may contact; none by default.
    max_parallel: calls that run at once in one run.
    budget: limits for each run, nested ones included.
    prices: of models by name, `*` at the end for all that begin so; those in the config file count
        for what is not named here. See `treadle.core.prices`.
    approve: decides on calls with effects; without it such a run ends `waiting`.
    undo_on_failure: whether a run that fails for good takes back what its steps did.
    max_replans, max_repairs: how often a plan is patched, and a malformed one mended.
    prompts: a folder with prompts that replace the ones that ship.
    database: "sqlite:///path" or "postgresql://...", where runs are journaled so that they can be
        resumed; TREADLE_DATABASE_URL by default, and without it runs are in memory only.
    artifacts: a folder for large outputs. By default one in the user's state folder where runs are
        journaled, else a temporary one, deleted by `aclose`.
    tracer: an OpenTelemetry Tracer that makes spans of what happens; see `treadle.telemetry`.
    capture_content: whether spans carry tasks, answers, arguments, results and error messages.
    secrets: knows the values of secrets that tools name in their `scopes`; the environment by
        default. See `treadle.tools.secrets`.
    dry_run: whether nothing is to be changed: tools with effects are played by their mocks.
    memory: a `treadle.memory.Memory`, which its owner closes after this. Before a task is planned
        it is asked what bears on it; a plan that has worked for the same is used again; what runs
        teach goes there, off their way. Plans may call `remember`, `recall`, `recall_about` and
        `forget` on it, beside the built-in tools.

    Raises ConfigError for what cannot be used. Nothing is contacted before the first run.
    """

    def __init__(
        self,
        *,
        model: str | ChatModel | None = None,
        tools: Iterable[Tool | Agent] | ToolRegistry = (),
        workspace: Path | str | None = None,
        allow_hosts: Sequence[str] = (),
        builtins: bool = True,
        max_parallel: int = 8,
        budget: Budget | None = None,
        prices: Mapping[str, Price] | None = None,
        approve: Approve | None = None,
        undo_on_failure: bool = False,
        max_replans: int = 2,
        max_repairs: int = 2,
        prompts: Path | str | None = None,
        database: str | None = None,
        artifacts: Path | str | None = None,
        tracer: Tracer | None = None,
        capture_content: bool = False,
        secrets: SecretProvider | None = None,
        dry_run: bool = False,
        memory: Remembers | None = None,
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
        self.tools = offered(
            self.model,
            tools,
            workspace=self.workspace if builtins else None,
            hosts=allow_hosts,
            dry_run=dry_run,
            memory=memory,
        )
        """Everything that plans may call."""
        url = database if database is not None else self._settings.get("database_url")
        durations = ToolDurations()
        shown = ShownTools()
        self._journals = Journals(url, durations, PastPlans(shown, self.tools))
        if url is not None and artifacts is None:
            artifacts = state_folder(self._settings) / "artifacts"
        self.launch: Mapping[str, JsonValue] | None = None
        """What a command line needs to make this Runtime again; recorded with each run."""
        self._settled = settle(
            self.model,
            self.tools,
            self._settings,
            prompts=prompts,
            artifacts=artifacts,
            max_replans=max_replans,
            max_repairs=max_repairs,
            undo_on_failure=undo_on_failure,
            shown=shown,
            memory=None if memory is None else RunMemory(memory),
        )
        self._clock = clock or SystemClock()
        self._caller = ToolCaller(self._clock)
        self.prices = PriceList({**self._settings.prices, **(prices or {})})
        """What models cost."""
        self._tracing = None if tracer is None else Tracing(tracer, content=capture_content)
        self._opening = Opening(
            self._settled,
            durations,
            self._caller,
            self._clock,
            budget=budget or Budget(),
            max_parallel=max_parallel,
            approve=approve,
            tracing=self._tracing,
            prices=self.prices,
            secrets=secrets,
            dry_run=dry_run,
        )
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
        history: the conversation before the task; of a plan, what its author has read.
        approve, budget: for this run, in place of the Runtime's.

        A run that fails, is cancelled or waits is a result with that status, not an exception.
        """
        stream = self.stream(
            task, output_type=output_type, history=history, approve=approve, budget=budget
        )
        return await stream.to_end()

    def run_sync(self, task: str | Plan, **options: Any) -> RunResult:
        """`run` for code without an event loop; the options are the same.

        Raises RunError (`event_loop_running`) inside one: await `run` there.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return run_bounded(self._run_alone(task, options))
        raise RunError("event_loop_running", "an event loop runs here already: await run() instead")

    async def learned(self) -> None:
        """Return when it is known how long calls took in the runs that are journaled, and, where
        there are more tools than models are shown, which were used together.

        Estimates only: no run waits for it by itself.
        """
        await self._journals.learned()

    @property
    def journal(self) -> Journal | None:
        """The journal for the running event loop; None where runs are in memory only."""
        return self._journals.here

    async def _run_alone(self, task: str | Plan, options: dict[str, Any]) -> RunResult:
        """A run in an event loop that ends with it."""
        try:
            return await self.run(task, **options)
        finally:
            await self._opening.ends.settle(_END_GRACE)
            if self._settled.memory is not None:
                await self._settled.memory.settle()
            await self._journals.close_here()

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
        self._journals.learn()
        log = EventLog(self._new_id(), self._clock)
        origin = Origin(journal=self.journal, parent=current_program.get(), launch=self.launch)
        options = RunOptions(output_type, history, approve, budget)
        return self._opening.pipeline(task, log, options, origin)

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

        Run by this Runtime, the plan carries the labels of `history`; elsewhere it does where
        `run` is given the same history.

        Raises PlanError, ModelError, and InputError for a task that cannot be planned.
        """
        self._check_open()
        return await plan_alone(self._settled, task, history)

    def as_tool(
        self,
        name: str,
        description: str,
        *,
        plan: Plan | None = None,
        effect: Effect | str | None = None,
        timeout: float | None = None,
        budget: Budget | None = None,
    ) -> Tool:
        """This Runtime as a tool of another one: a call does the task, in words, that it is given.

        Each call is a run of its own within the run that makes it: in its journal, its budget and
        its trace; cancelled, paused, resumed and undone with it. Whoever decides on the effects of
        the outer run decides on those in here. A run within that waits makes its step wait.

        plan: what a call carries out, in place of a task; the tool takes no arguments then.
        effect: what a call does to the world; by default the most severe effect of the tools here,
            at least a read.
        timeout: seconds for one call; 900 by default.
        budget: limits for each call, beside those of the outer run.

        Raises ConfigError (`bad_tool`), and PlanError for a plan that does not fit the tools.
        """
        from treadle.agents.runs.nested import NestedRuns, nested_tool

        runs = NestedRuns(self._opening, self._open_nested, self._new_id, plan, budget)
        return nested_tool(runs, name, description, plan=plan, effect=effect, timeout=timeout)

    def _open_nested(self, pipeline: Pipeline) -> RunStream:
        self._check_open()
        return self.open_stream(pipeline, pipeline.run)

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
        await self._caller.close()
        await self._opening.ends.settle()
        if self._settled.memory is not None:
            await self._settled.memory.settle()
        await self._journals.close_here()
        await self.model.aclose()
        if self._tracing is not None:
            self._tracing.close()
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

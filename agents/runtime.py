"""The Runtime: everything that runs share, and the way to start one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from treadle.agents.agent import Agent
from treadle.agents.pipeline import Pipeline, Settled
from treadle.agents.recorded import Origin
from treadle.agents.run_stream import RunStream
from treadle.agents.user_settings import state_folder, user_settings
from treadle.core.budget import Budget, BudgetMeter
from treadle.core.chat import ChatModel, Message
from treadle.core.clock import Clock, SystemClock
from treadle.core.durations import DurationHistory
from treadle.core.errors import ConfigError, RunError
from treadle.core.event_log import EventLog
from treadle.core.ids import new_run_id
from treadle.core.json_value import JsonValue
from treadle.core.loop import run_bounded
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines
from treadle.core.program import Program, current_program
from treadle.core.settings import Settings
from treadle.executor import Approve, Execution, RunResult
from treadle.executor.calling import ToolCaller
from treadle.executor.doubts import Verdict
from treadle.executor.history import History
from treadle.executor.undo import Undone, undo
from treadle.planner.llm_planner import LLMPlanner
from treadle.planner.plan import Plan
from treadle.planner.prompt import Prompts
from treadle.serving.resolve import choose_model
from treadle.tools import Tool, ToolRegistry
from treadle.tools.artifacts import ArtifactStore
from treadle.tools.builtin import builtin_tools

if TYPE_CHECKING:
    from treadle.agents.langgraph_node import RuntimeNode
    from treadle.executor.journal import Journal


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
    undo_on_failure: whether a run that fails for good takes back what its steps did.
    max_replans, max_repairs: how often a plan is patched, and a malformed one mended.
    prompts: a folder with prompts that replace the ones that ship.
    database: "sqlite:///path" or "postgresql://...", where runs are journaled so that they can be
        resumed; TREADLE_DATABASE_URL by default, and without it runs are in memory only.
    artifacts: a folder for large outputs. By default one in the user's state folder where runs are
        journaled, else a temporary one, deleted by `aclose`.

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
        undo_on_failure: bool = False,
        max_replans: int = 2,
        max_repairs: int = 2,
        prompts: Path | str | None = None,
        database: str | None = None,
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
        url = database if database is not None else self._settings.get("database_url")
        self._database_url = url
        if url is not None:
            from treadle.core.database.url import DatabaseUrl

            DatabaseUrl.parse(url)
            if artifacts is None:
                artifacts = state_folder(self._settings) / "artifacts"
        self._journals: dict[asyncio.AbstractEventLoop, Journal] = {}
        self.launch: Mapping[str, JsonValue] | None = None
        """What a command line needs to make this Runtime again; recorded with each run."""
        folder = prompts if prompts is not None else self._settings.get("prompts")
        self._settled = Settled(
            model=self.model,
            tools=self.tools,
            prompts=Prompts(None if folder is None else Path(folder)),
            deadlines=_deadlines(self._settings),
            artifacts=ArtifactStore(None if artifacts is None else Path(artifacts)),
            max_replans=max_replans,
            max_repairs=max_repairs,
            undo_on_failure=undo_on_failure,
        )
        self._durations = DurationHistory()
        self._max_parallel = max_parallel
        self._budget = budget or Budget()
        self._approve = approve
        self._clock = clock or SystemClock()
        self._new_id = new_id
        self._caller = ToolCaller(self._clock)
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
            await run.ended()  # and not its events: nobody reads them here
        return run.result

    def run_sync(self, task: str | Plan, **options: Any) -> RunResult:
        """`run` for code without an event loop; the options are the same.

        Raises RunError (`event_loop_running`) inside one: await `run` there.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return run_bounded(self._run_alone(task, options))
        raise RunError("event_loop_running", "an event loop runs here already: await run() instead")

    async def resume(
        self,
        run_id: str,
        *,
        approve: Approve | None = None,
        done: Collection[str] = (),
        redo: Collection[str] = (),
        accept_changes: bool = False,
    ) -> RunResult:
        """Go on with a journaled run that a crash, a cancellation or a wait has left unfinished.

        What has completed is not run again. A run that has succeeded or failed already gives the
        result that it had.

        approve: as for `run`.
        done, redo: steps with effects that were cut short, so that nobody knows whether they took
            effect: these did, those did not and are to run (again). A failed step can be redone.
        accept_changes: go on although tools have changed since the run began.

        Raises RunError: `run_not_found`, `run_held` by another process, `code_changed`,
        `nothing_recorded`, `payload_erased`, `unknown_step` in `done` or `redo`; and ConfigError
        (`no_database`).
        """
        stream = await self.reopen(
            run_id, approve=approve, done=done, redo=redo, accept_changes=accept_changes
        )
        async with stream as run:
            async for _ in run:
                pass
        return run.result

    async def reopen(
        self,
        run_id: str,
        *,
        approve: Approve | None = None,
        done: Collection[str] = (),
        redo: Collection[str] = (),
        accept_changes: bool = False,
    ) -> RunStream:
        """`resume` as a stream; its first events are those of the run so far."""
        self._check_open()
        journal = self._require_journal()
        from treadle.agents.resume import (
            check_fingerprints,
            check_fits,
            reopened_by,
            task_of,
        )

        events = await journal.events(run_id)
        history = History(events)
        reopened = reopened_by(history, done, redo)
        ended = history.finished
        if ended is not None and ended.status in ("succeeded", "failed") and not (done or redo):
            log = EventLog(run_id, self._clock, None, events)
            pipeline = self._pipeline("", log, None, self._budget, (), None, Origin())
            pipeline.end_as_recorded()
            return self.open_stream(pipeline, pipeline.run)
        if not accept_changes:
            check_fingerprints(history, self.tools)
        check_fits(history, self.tools)
        recording = await journal.take(run_id)
        try:
            events = await journal.events(run_id)
            history = History(events)
            task, turns = task_of(run_id, history)
            history.reopen(reopened)
            log = EventLog(run_id, self._clock, recording, events)
            verdicts: dict[str, Verdict] = {
                **dict.fromkeys(done, "done"), **dict.fromkeys(redo, "redo")
            }  # fmt: skip
            origin = Origin(
                journal=journal, recording=recording, history=history, reopened=reopened
            )
            pipeline = self._pipeline(
                task, log, approve, self._budget, turns, None, origin, verdicts
            )
        except BaseException:
            await journal.release(recording)
            raise
        return self.open_stream(pipeline, pipeline.run)

    async def undo(self, run_id: str, step_id: str | None = None) -> list[Undone]:
        """Take back what a journaled run did, in reverse dependency order; or one step of it.

        Returns what became of each effect. Raises RunError: `run_not_found`, `run_held`,
        `nothing_recorded`, `unknown_step`; and ConfigError (`no_database`).
        """
        self._check_open()
        journal = self._require_journal()
        row = await journal.row(run_id)
        recording = await journal.take(run_id)
        try:
            events = await journal.events(run_id)
            log = EventLog(run_id, self._clock, recording, events)
            recording.log = log
            return await undo(
                History(events), log, self.tools, self._settled.artifacts, step_id=step_id
            )
        finally:
            await journal.release(recording, row.status, row.finished_at)

    def _require_journal(self) -> Journal:
        journal = self.journal
        if journal is None:
            raise ConfigError("no_database", "runs are in memory only: name a database")
        return journal

    @property
    def journal(self) -> Journal | None:
        """The journal for the running event loop; None where runs are in memory only."""
        if self._database_url is None:
            return None
        loop = asyncio.get_running_loop()
        found = self._journals.get(loop)
        if found is None:
            from treadle.core.database.url import DatabaseUrl
            from treadle.executor.journal import Journal

            found = self._journals[loop] = Journal(DatabaseUrl.parse(self._database_url))
        return found

    async def _run_alone(self, task: str | Plan, options: dict[str, Any]) -> RunResult:
        """A run in an event loop that ends with it."""
        try:
            return await self.run(task, **options)
        finally:
            await self._close_journal()

    async def _close_journal(self) -> None:
        journal = self._journals.pop(asyncio.get_running_loop(), None)
        if journal is not None:
            await journal.close()

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
        origin = Origin(journal=self.journal, parent=current_program.get(), launch=self.launch)
        return self._pipeline(
            task, log, approve, budget or self._budget, history, output_type, origin
        )

    def _pipeline(
        self,
        task: str | Plan,
        log: EventLog,
        approve: Approve | None,
        budget: Budget,
        history: Sequence[Message],
        output_type: Any,
        origin: Origin,
        verdicts: Mapping[str, Verdict] | None = None,
    ) -> Pipeline:
        meter = BudgetMeter(budget, self._clock)
        if origin.parent is not None:
            meter = meter.within(origin.parent.budget)
        program = Program(log.run_id, meter, log)
        execution = Execution(
            self.tools,
            program,
            durations=self._durations,
            artifacts=self._settled.artifacts,
            approve=approve or self._approve,
            max_parallel=self._max_parallel,
            verdicts=verdicts,
            caller=self._caller,
        )
        return Pipeline(
            self._settled,
            task,
            log=log,
            program=program,
            execution=execution,
            history=history,
            output_type=output_type,
            origin=origin,
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
        await self._caller.close()
        await self._close_journal()
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


def _deadlines(settings: Settings) -> ModelDeadlines:
    total = settings.number("model_timeout", DEFAULT_DEADLINES.total)
    return ModelDeadlines(idle=min(DEFAULT_DEADLINES.idle, total), total=total)

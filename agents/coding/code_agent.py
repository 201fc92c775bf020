"""`CodeAgent`: an agent whose answer is code that was run and tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import cast

from treadle.agents.agent import STEP_TIMEOUT, Agent, AgentResult, taint_of
from treadle.agents.coding.budgeting import budgeted
from treadle.agents.coding.case import Case
from treadle.agents.coding.clarifying import Clarify
from treadle.agents.coding.executions import Executions
from treadle.agents.coding.feedback import summary
from treadle.agents.coding.judge import Judgement
from treadle.agents.coding.model_use import ModelUse
from treadle.agents.coding.preparing import check_can, chosen_model, open_sandbox
from treadle.agents.coding.prompts import INSTRUCTIONS
from treadle.agents.coding.result import CodeOutput, CodeResult, CodeVerdict, Count, Evidence
from treadle.agents.coding.session_workbench import SessionWorkbench, session_boundary
from treadle.agents.coding.strategy import QUICK, Strategy
from treadle.agents.coding.suite import Suite
from treadle.agents.coding.work import Done, Work
from treadle.agents.coding.workbench import FileWorkbench, Workbench
from treadle.core.budget import Budget
from treadle.core.chat import ChatModel, Message
from treadle.core.clock import Clock, SystemClock
from treadle.core.errors import ConfigError, InputError, ModelError
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines
from treadle.core.prices import NO_PRICES, PriceList
from treadle.core.taint import listed
from treadle.executor.approval import Approve
from treadle.tools import Effect, Tool, tool
from treadle.tools.sandbox.contract import CodeRunner, SandboxLimits, SandboxPolicy

MOST_TASK = 200_000
"""Characters of a task."""

DEFAULT_LIMITS = SandboxLimits(seconds=30.0)


class CodeAgent(Agent):
    """Writes code, runs it in a sandbox, reads what comes out, and repairs it.

    It is an Agent like others: a tool of a Runtime, a step of a plan, a tool of another agent. Its
    output is a CodeResult. Nothing that it runs leaves the sandbox, so nothing of it asks.

    strategy: QUICK (the loop alone), THOROUGH, or one of your own.
    sandbox: what runs the code; Treadle's own Sandbox by default. limits, policy: of executions.
    clarify: asks a person about inputs on which good candidates differ; without it they are
        doubts in the result.
    budget: for each task, all of its candidates together, beside that of the run.
    prices: of models, where the budget limits money outside of any run.
    show_tests: whether the model sees the tests that it is given, and not only what fails.
    at_once: executions at the same time.
    """

    def __init__(
        self,
        name: str = "coder",
        *,
        model: ChatModel | None = None,
        strategy: Strategy = QUICK,
        sandbox: CodeRunner | None = None,
        limits: SandboxLimits = DEFAULT_LIMITS,
        policy: SandboxPolicy | None = None,
        clarify: Clarify | None = None,
        budget: Budget | None = None,
        prices: PriceList = NO_PRICES,
        show_tests: bool = False,
        test_seconds: float = 5.0,
        at_once: int = 4,
        description: str = "Writes a Python program for a task, runs and tests it in a sandbox.",
        deadlines: ModelDeadlines = DEFAULT_DEADLINES,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            name, INSTRUCTIONS, model=model, description=description, deadlines=deadlines
        )
        if at_once < 1 or not test_seconds > 0:
            raise ConfigError("bad_agent", f"agent '{name}': at_once and test_seconds are above 0")
        self._strategy = strategy
        self._sandbox = sandbox
        self._limits = limits
        self._policy = policy
        self._clarify = clarify
        self._budget = budget
        self._prices = prices
        self._show_tests = show_tests
        self._test_seconds = test_seconds
        self._at_once = at_once
        self._clock = clock or SystemClock()

    async def run(
        self,
        task: str,
        *,
        model: ChatModel | None = None,
        history: Sequence[Message] = (),
        approve: Approve | None = None,
        tests: str = "",
        examples: Sequence[Case] = (),
        entry: str | None = None,
        files: Mapping[str, bytes | str] | None = None,
    ) -> AgentResult[CodeResult]:
        """Write a program for `task`. The result's output is a CodeResult, its text the code.

        history: put before the task. approve: nothing here asks; there for the same signature.
        tests: the source of a module of tests, from a source that is trusted. See `Suite`.
        examples: calls with what they must give; the model sees them.
        entry: the name of the function that is asked for.
        files: what the model finds in its workspace, by relative path.

        A program that fails is a result. Raises InputError (`empty_task`, `task_too_long`,
        `bad_tests`), ConfigError (`agent_without_model`), ModelError (`no_code_written`, and the
        model's own) and BudgetExceeded where there is no program at all, and ToolError where the
        sandbox is not to be had.
        """
        used = chosen_model(self.name, self.model, model)
        suite = Suite(tests, tuple(examples), entry)
        text = _with_history(_checked(task), history)
        check_can(used, "write a program")
        uses = ModelUse(used, deadlines=self._deadlines)
        async with AsyncExitStack() as stack:
            runner = await open_sandbox(self._sandbox, stack)
            executions = Executions(
                runner, limits=self._limits, policy=self._policy, at_once=self._at_once
            )
            work = Work(
                text,
                suite,
                uses,
                executions,
                self._strategy,
                await self._workbenches(runner, executions, files or {}),
                show_tests=self._show_tests,
                clarify=self._clarify,
                test_seconds=self._test_seconds,
            )
            with budgeted(self._budget, self._clock, self._prices):
                done = await work.run()
        result = _result(done, uses, executions, used.name)
        taint = listed(taint_of(history).labels)
        asked = Message("user", task, taint=taint)
        said = Message("assistant", f"```python\n{result.code}\n```", taint=taint)
        return AgentResult(result.code, result, (asked, said), uses.usage)

    async def _workbenches(
        self, runner: CodeRunner, executions: Executions, files: Mapping[str, bytes | str]
    ) -> Callable[[], Workbench]:
        """Sessions where our own sandbox has them here; else files that are carried along."""
        # Actions in SQL work on this file only where files are carried along.
        boundary = None if "data.db" in files else await session_boundary(runner, self._policy)
        if boundary is None:
            return partial(FileWorkbench, executions, files)
        return partial(SessionWorkbench, executions, boundary, files, policy=self._policy)

    def as_tool(self, model: ChatModel | None, *, dry_run: bool = False) -> Tool:
        """This agent as a tool that takes `task`, and `tests` where there are any.

        dry_run: changes nothing: what it does stays in the sandbox in any case.

        Its output is the result as an object: `code`, `verdict`, `files`, `evidence`, ...
        """

        async def work(task: str, tests: str = "") -> CodeOutput:
            answer = await self.run(task, model=model, tests=tests)
            return cast(CodeOutput, answer.output.as_json())

        return tool(
            name=self.name,
            description=f"{self.description} Give it a task in words, and tests as the source of a "
            f"Python module if there are any; it gives the code and a verdict.",
            effect=Effect.READ,
            timeout=STEP_TIMEOUT,
            calls_model=True,
        )(work)


def _result(done: Done, model: ModelUse, executions: Executions, name: str) -> CodeResult:
    if done.selected is None:
        raise ModelError(
            "no_code_written",
            f"{name} wrote no program for this task; reword it, or use a stronger model",
        )
    candidate = done.selected.candidate
    judgement = candidate.judgement
    plan = done.plan
    evidence = Evidence(
        given=Count(*judgement.counted("given")),
        person=Count(*judgement.counted("person")),
        generated=Count(*judgement.counted("generated")),
        attempts=done.attempts,
        actions=done.actions,
        candidates=done.candidates,
        selected_by=done.selected.by,
        executions=executions.count,
        level=None if executions.level is None else str(executions.level),
        plan_agreed=None if plan is None else Count(plan.agreed, plan.examples),
        usage=model.usage,
        stopped=done.stopped,
    )
    return CodeResult(
        candidate.code,
        _verdict(judgement, doubtful=bool(done.doubts)),
        evidence,
        files={"solution.py": candidate.code},
        doubts=done.doubts,
        failures=summary(judgement),
    )


def _verdict(judgement: Judgement, *, doubtful: bool) -> CodeVerdict:
    if not judgement.passed:
        return "failed"
    if doubtful:
        return "doubtful"
    return "passed" if judgement.suite.decides else "unverified"


def _checked(task: str) -> str:
    if not task.strip():
        raise InputError("empty_task", "there is no task; say what the program is to do")
    if len(task) > MOST_TASK:
        raise InputError("task_too_long", f"the task has more than {MOST_TASK:,} characters")
    return task


def _with_history(task: str, history: Sequence[Message]) -> str:
    said = [f"{each.role}: {each.content}" for each in history if each.content]
    return f"Before:\n{chr(10).join(said)}\n\nNow:\n{task}" if said else task

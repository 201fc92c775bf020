"""One task of a code agent from its words to the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from treadle.agents.coding.case import Call, Case, Seen
from treadle.agents.coding.clarifying import Clarify, Question, case_of
from treadle.agents.coding.debugging import diagnosis, faulty_blocks
from treadle.agents.coding.disagreement import MOST_QUESTIONS, disagreements
from treadle.agents.coding.executions import Executions
from treadle.agents.coding.feedback import failing_call
from treadle.agents.coding.judge import CaseOutcome, Judge, Judgement
from treadle.agents.coding.loop import Candidate, Loop, worth
from treadle.agents.coding.model_use import ModelUse
from treadle.agents.coding.plan_simulation import SimulatedPlan, simulated_plan
from treadle.agents.coding.prompts import INSTRUCTIONS, opening
from treadle.agents.coding.proposed_cases import distinguishing_calls, proposed_cases
from treadle.agents.coding.selection import Selected, select
from treadle.agents.coding.strategy import Strategy
from treadle.agents.coding.suite import Suite
from treadle.agents.coding.trace import trace_call
from treadle.agents.coding.workbench import Workbench
from treadle.core.chat import Message
from treadle.core.errors import BudgetExceeded, ErrorInfo, ModelError
from treadle.core.events import ToolCalled
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload
from treadle.core.program import current_program

MOST_DISTINGUISHING = 5


@dataclass(slots=True)
class Draft:
    """A candidate, and what the calls that were tried on it gave, by the key of the call."""

    candidate: Candidate
    outcomes: dict[bytes, Seen] = field(default_factory=dict)

    @classmethod
    def of(cls, candidate: Candidate) -> Draft:
        """What its judgement says already."""
        cases = candidate.judgement.cases
        return cls(candidate, {each.case.call.key: each.seen for each in cases})

    def with_suite(self, suite: Suite) -> Candidate:
        """The candidate, judged by `suite`, whose calls were all tried already."""
        lost = Seen(ended="it was not tried")
        outcomes = tuple(
            CaseOutcome(case, self.outcomes.get(case.call.key, lost)) for case in suite.cases
        )
        judgement = self.candidate.judgement
        return replace(self.candidate, judgement=replace(judgement, cases=outcomes, suite=suite))


@dataclass(frozen=True, slots=True)
class Done:
    """What the work came to. selected: None where no candidate came to a program."""

    selected: Selected | None
    suite: Suite
    doubts: tuple[Question, ...]
    plan: SimulatedPlan | None
    candidates: int
    attempts: int
    actions: int
    stopped: ErrorInfo | None


class Work:
    """Does one task.

    What a budget, or the model, ends early keeps what there is by then: `stopped` says so.

    workbench: makes one for a candidate to try things out on.
    """

    def __init__(
        self,
        task: str,
        suite: Suite,
        model: ModelUse,
        executions: Executions,
        strategy: Strategy,
        workbench: Callable[[], Workbench],
        *,
        show_tests: bool = False,
        clarify: Clarify | None = None,
        test_seconds: float = 5.0,
    ) -> None:
        self._task = task
        self._suite = suite
        self._model = model
        self._executions = executions
        self._judge = Judge(executions, test_seconds=test_seconds)
        self._strategy = strategy
        self._show_tests = show_tests
        self._workbench = workbench
        self._clarify = clarify
        self._plan: SimulatedPlan | None = None
        self._stopped: BudgetExceeded | ModelError | None = None
        self._attempts = 0
        self._actions = 0

    async def run(self) -> Done:
        """All of it. Raises ToolError where the sandbox is not to be had.

        Raises what stopped it (BudgetExceeded, ModelError) where there is no program by then.
        """
        drafts: list[Draft] = []
        doubts: tuple[Question, ...] = ()
        selected: Selected | None = None
        try:
            await self._prepare()
            drafts = await self._candidates()
            if drafts:
                doubts = await self._settle(drafts)
                selected = await self._select(drafts)
        except (BudgetExceeded, ModelError) as error:
            self._stopped = self._stopped or error
        if selected is None and drafts:
            selected = Selected(max(drafts, key=_worth).candidate, "tests")
        if selected is None and self._stopped is not None:
            raise self._stopped
        return Done(
            selected,
            self._suite,
            doubts,
            self._plan,
            len(drafts),
            self._attempts,
            self._actions,
            None if self._stopped is None else ErrorInfo.of(self._stopped),
        )

    # ---- before any code -------------------------------------------------------------------------

    async def _prepare(self) -> None:
        strategy = self._strategy
        if strategy.simulate:
            self._plan = await simulated_plan(self._model, self._task, self._suite.cases)
        if strategy.generated_tests:
            made = await self._proposed(strategy.generated_tests)
            self._suite = self._suite.with_cases(*made)

    async def _proposed(self, wanted: int) -> tuple[Case, ...]:
        names = self._suite.names()
        entry = self._suite.entry or (names[0] if len(names) == 1 else None)
        try:
            return await proposed_cases(
                self._model, self._task, wanted=wanted, entry=entry, examples=self._suite.cases
            )
        except ModelError as error:
            if error.code != "model_malformed_reply":
                raise
            return ()  # tests that nobody made up vote for nothing; the evidence counts none

    # ---- candidates ------------------------------------------------------------------------------

    async def _candidates(self) -> list[Draft]:
        room = asyncio.Semaphore(self._strategy.parallel)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._one(number, room))
                    for number in range(self._strategy.candidates)
                ]
        except BaseExceptionGroup as failed:
            # The sandbox is not to be had: callers know that by its own type.
            first = failed.exceptions[0]
            raise first from first.__cause__
        return [Draft.of(found) for each in tasks if (found := each.result()) is not None]

    async def _one(self, number: int, room: asyncio.Semaphore) -> Candidate | None:
        async with room:
            plan = "" if self._plan is None else self._plan.text
            text = opening(
                self._task, self._suite, plan=plan, show_tests=self._show_tests, candidate=number
            )
            return await self._looped([Message("user", text)])

    async def _looped(self, messages: Sequence[Message]) -> Candidate | None:
        workbench = self._workbench()
        loop = Loop(
            self._model,
            self._judge,
            self._suite,
            limits=self._strategy.loop,
            workbench=workbench,
            show_tests=self._show_tests,
            diagnose=self._diagnose if self._strategy.trace else None,
        )
        try:
            told = Message("system", f"{INSTRUCTIONS}\n\n{workbench.about}")
            return await loop.run([told, *messages])
        except (BudgetExceeded, ModelError) as error:
            # The others go on until they are refused themselves; what there is is kept.
            self._stopped = self._stopped or error
            return loop.best
        finally:
            self._attempts += loop.attempts
            self._actions += loop.actions
            await workbench.close()

    async def _diagnose(self, code: str, judgement: Judgement) -> str:
        found = failing_call(judgement)
        if found is None:
            return ""
        call, failure = found
        trace = await trace_call(self._executions, code, call)
        if trace is None:
            return ""
        try:
            faulty = await faulty_blocks(
                self._model, task=self._task, code=code, failure=failure, trace=trace
            )
        except ModelError as error:
            if error.code != "model_malformed_reply":
                raise
            faulty = []  # the values speak for themselves
        return diagnosis(trace, faulty)

    # ---- where they differ -----------------------------------------------------------------------

    async def _settle(self, drafts: list[Draft]) -> tuple[Question, ...]:
        """Ask about inputs on which good candidates differ; what is left open is returned."""
        passing = [each for each in drafts if each.candidate.judgement.passed]
        if not self._strategy.clarify or not passing:
            return ()
        calls = await self._further_calls(drafts, passing)
        questions = self._questions(passing, calls)
        doubts: list[Question] = []
        for _ in range(MOST_QUESTIONS):
            if not questions:
                break
            question = questions[0]
            answer = None if self._clarify is None else await self._clarify(question)
            self._record(question, answer is not None)
            if answer is None:
                doubts.append(question)
            else:
                self._suite = self._suite.with_cases(case_of(question, answer))
                await self._rejudge(drafts)
                passing = [each for each in drafts if each.candidate.judgement.passed]
            known = {each.call.key for each in doubts}
            questions = [each for each in self._questions(passing, calls)
                         if each.call.key not in known]  # fmt: skip
        return (*doubts, *questions)

    def _questions(self, passing: Sequence[Draft], calls: Sequence[Call]) -> list[Question]:
        open_cases = [each for each in self._suite.cases if each.source == "generated"]
        decided = {each.call.key for each in self._suite.cases if each.source != "generated"}
        return disagreements(
            self._task,
            [each.outcomes for each in passing],
            open_cases,
            [each for each in calls if each.key not in decided],
        )

    async def _further_calls(
        self, drafts: Sequence[Draft], passing: Sequence[Draft]
    ) -> tuple[Call, ...]:
        """Inputs that the model thinks tell the candidates apart, tried on all of them."""
        programs = list(dict.fromkeys(each.candidate.code.strip() for each in passing))
        if len(programs) < 2:
            return ()
        try:
            calls = await distinguishing_calls(
                self._model, self._task, programs, wanted=MOST_DISTINGUISHING
            )
        except ModelError as error:
            if error.code != "model_malformed_reply":
                raise
            return ()
        for draft in drafts:
            seen = await self._judge.observe(draft.candidate.code, calls)
            draft.outcomes.update((call.key, each) for call, each in zip(calls, seen, strict=True))
        return calls

    async def _rejudge(self, drafts: list[Draft]) -> None:
        """A person has decided on an input: that counts, for every candidate."""
        for draft in drafts:
            draft.candidate = draft.with_suite(self._suite)
        if any(each.candidate.judgement.passed for each in drafts):
            return
        # None of them does what the person wants: the best one is worked on once more.
        best = max(drafts, key=_worth)
        text = opening(self._task, self._suite, plan="", show_tests=self._show_tests, candidate=0)
        messages = [
            Message("user", text),
            Message("assistant", f"```python\n{best.candidate.code}\n```"),
            Message("user", "A person has looked at it: see the examples. Correct the program."),
        ]
        found = await self._looped(messages)
        if found is not None:
            drafts.append(Draft.of(found))

    async def _select(self, drafts: Sequence[Draft]) -> Selected:
        if len(drafts) == 1:
            return Selected(drafts[0].candidate, "only")
        pairs = [(each.candidate, each.outcomes) for each in drafts]
        return await select(self._model, self._task, pairs)

    def _record(self, question: Question, answered: bool) -> None:
        program = current_program.get()
        if program is None:
            return
        asked: dict[str, JsonValue] = question.as_json()
        program.record(
            ToolCalled(
                step_id=program.step_id,
                tool="clarify",
                arguments=Payload(asked),
                output=Payload({"answered": answered}),
            )
        )


def _worth(draft: Draft) -> tuple[bool, float, float]:
    return worth(draft.candidate.judgement)

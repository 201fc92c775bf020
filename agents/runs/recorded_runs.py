"""What a Runtime can do with runs that are journaled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from treadle.agents.runs.journals import Journals
from treadle.agents.runs.opening import Opening, RunOptions
from treadle.agents.runs.pipeline import Pipeline
from treadle.agents.runs.run_stream import RunStream
from treadle.agents.runs.undoing import Undoing
from treadle.core.budget import Budget
from treadle.core.event_log import EventLog
from treadle.core.json_value import JsonValue
from treadle.executor import Approve, RunResult
from treadle.executor.approval import Decision
from treadle.executor.approval_policy import policy_of
from treadle.executor.undo import Undone
from treadle.planner.patch import PlanPatch

if TYPE_CHECKING:
    from treadle.agents.runs.patch_request import Patched


class RecordedRuns(ABC):
    """Resume, fork, patch and undo; a Runtime has them from here."""

    launch: Mapping[str, JsonValue] | None
    _journals: Journals
    _opening: Opening
    _new_id: Callable[[], str]

    @abstractmethod
    def open_stream(
        self,
        pipeline: Pipeline,
        drive: Callable[[], Awaitable[RunResult]],
        *,
        first_event: int = 0,
    ) -> RunStream:
        """The stream of a pipeline that `drive` takes through its stages."""

    @abstractmethod
    def _check_open(self) -> None: ...

    async def resume(
        self,
        run_id: str,
        *,
        output_type: Any = None,
        approve: Approve | None = None,
        budget: Budget | None = None,
        done: Collection[str] = (),
        redo: Collection[str] = (),
        accept_changes: bool = False,
    ) -> RunResult:
        """Go on with a journaled run that a crash, a cancellation or a wait has left unfinished.

        What has completed is not run again. A run that has succeeded or failed already gives the
        result that it had.

        output_type: as for `run`. A type cannot be recorded: give it again, or `result.output` is
            None. Of a run that has ended already, the recorded answer is read as it.
        approve: as for `run`.
        budget: in place of the one that the run was given, which it has otherwise.
        done, redo: steps with effects that were cut short, so that nobody knows whether they took
            effect: these did, those did not and are to run (again). A failed step can be redone.
            A step of a run within this one is named as `RUN/STEP`.
        accept_changes: go on although tools have changed since the run began.

        Raises RunError: `run_not_found`, `run_held` by another process, `code_changed`,
        `nothing_recorded`, `payload_erased`, `unknown_step` in `done` or `redo`; InputError
        (`answer_mismatch`) where a recorded answer is none of `output_type`; and ConfigError
        (`no_database`).
        """
        stream = await self.reopen(
            run_id,
            output_type=output_type,
            approve=approve,
            budget=budget,
            done=done,
            redo=redo,
            accept_changes=accept_changes,
        )
        return await stream.to_end()

    async def reopen(
        self,
        run_id: str,
        *,
        output_type: Any = None,
        approve: Approve | None = None,
        budget: Budget | None = None,
        done: Collection[str] = (),
        redo: Collection[str] = (),
        accept_changes: bool = False,
    ) -> RunStream:
        """`resume` as a stream; its first events are those of the run so far."""
        self._check_open()
        from treadle.agents.runs.resuming import Decided, reopen

        self._journals.learn()
        options = RunOptions(output_type, (), approve, budget, accept_changes=accept_changes)
        decided = Decided(done, redo)
        pipeline = await reopen(self._opening, self._journals.required(), run_id, decided, options)
        return self.open_stream(pipeline, pipeline.run)

    async def fork(
        self,
        run_id: str,
        step_id: str,
        *,
        arguments: Mapping[str, JsonValue] | None = None,
        output_type: Any = None,
        approve: Approve | None = None,
        budget: Budget | None = None,
    ) -> RunResult:
        """A new run that goes another way than a journaled one, from one of its steps on.

        That step, what depends on it and what was not done run anew; the rest stays as it was.
        Effects are never repeated silently: each call with effects that is made anew asks.

        arguments: of the step, in place of those that the plan gives it.
        output_type, approve, budget: as for `resume`.

        Raises RunError: `run_not_found`, `nothing_recorded`, `payload_erased`, `unknown_step`;
        PlanError for what does not fit the tools; and ConfigError (`no_database`).
        """
        stream = await self.open_fork(
            run_id,
            step_id,
            arguments=arguments,
            output_type=output_type,
            approve=approve,
            budget=budget,
        )
        return await stream.to_end()

    async def open_fork(
        self,
        run_id: str,
        step_id: str,
        *,
        arguments: Mapping[str, JsonValue] | None = None,
        output_type: Any = None,
        approve: Approve | None = None,
        budget: Budget | None = None,
    ) -> RunStream:
        """`fork` as a stream."""
        self._check_open()
        from treadle.agents.runs.resuming import fork

        options = RunOptions(output_type, (), approve, budget)
        log = EventLog(self._new_id(), self._opening.clock)
        journal = self._journals.required()
        pipeline = await fork(
            self._opening, journal, log, (run_id, step_id), arguments, options, self.launch
        )
        return self.open_stream(pipeline, pipeline.run)

    async def patch(self, run_id: str, patch: PlanPatch) -> Patched:
        """Change the plan of a journaled run: add, replace or drop steps that have not started.

        A run that this Runtime, or another process, carries out goes on with the new plan at once;
        one that nobody holds does so when it is resumed, before any step starts.

        Raises PlanError for a patch that does not fit the plan or the tools, as they are recorded
        or as the process that holds the run knows them; RunError: `run_not_found`, `run_ended`,
        `not_executing` while there is no plan yet; and ConfigError (`no_database`).
        """
        self._check_open()
        from treadle.agents.runs.patch_request import request_patch

        return await request_patch(
            self._journals.required(), run_id, patch, self._opening.settled.tools
        )

    async def approve(
        self,
        run_id: str,
        step_id: str,
        approved: bool = True,
        *,
        reason: str | None = None,
        arguments: dict[str, JsonValue] | None = None,
    ) -> None:
        """Decide on a call of a journaled run that waits for it; see `RunStream.approve`.

        The answer is kept: whoever holds the run takes it at once, or else the next `resume`.

        Raises RunError (`run_not_found`, `nothing_waits`, `bad_decision`, `cannot_edit`), ToolError
        (`invalid_arguments`, `approval_denied`), and ConfigError (`no_database`).
        """
        await self.approve_all_of(run_id, {step_id: Decision(approved, reason, arguments)})

    async def approve_all_of(self, run_id: str, decisions: Mapping[str, Decision]) -> None:
        """`approve` for several steps, by id: all of the answers are kept, or none."""
        self._check_open()
        from treadle.agents.runs.answers import leave_answers

        opening = self._opening
        await leave_answers(
            self._journals.required(),
            run_id,
            decisions,
            opening.settled.tools,
            policy_of(opening.approve),
        )

    async def undo(self, run_id: str, step_id: str | None = None) -> list[Undone]:
        """Take back what a journaled run did, in reverse dependency order; or one step of it.

        What runs within it did is taken back with the steps that have started them.

        Returns what became of each effect. Raises RunError: `run_not_found`, `run_held`,
        `nothing_recorded`, `unknown_step`; and ConfigError (`no_database`).
        """
        self._check_open()
        journal = self._journals.required()
        opening = self._opening
        undoing = Undoing(
            opening.settled.artifacts,
            opening.clock,
            journal,
            tracing=opening.tracing,
            secrets=opening.secrets,
        )
        return await undoing.run(journal, run_id, opening.settled.tools, step_id)

"""How the runs of a Runtime are made, before they start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from treadle.agents.runs.pipeline import Pipeline
from treadle.agents.runs.program_ends import ProgramEnds
from treadle.agents.runs.recorded import Origin
from treadle.agents.runs.scope import RunScope, ScopedProgram
from treadle.agents.runs.settled import Settled
from treadle.agents.runs.tracing import Tracing
from treadle.agents.runs.undoing import Undoing
from treadle.core.budget import Budget, BudgetMeter
from treadle.core.call_counts import CallCounts
from treadle.core.chat import Message
from treadle.core.clock import Clock
from treadle.core.durations import DurationSource
from treadle.core.event_log import EventLog
from treadle.core.prices import NO_PRICES, PriceList
from treadle.core.program import Program
from treadle.core.secrets import SecretProvider
from treadle.executor import Approve, Execution
from treadle.executor.approval_policy import joined
from treadle.executor.calling import ToolCaller
from treadle.executor.doubts import Verdict
from treadle.planner.plan import Plan


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What one run is told beside its task; see `Runtime.run`.

    verdicts: what a person said of steps in doubt, by id; of nested runs by `RUN/STEP`.
    accept_changes: go on although tools have changed since the run began.
    """

    output_type: Any = None
    history: Sequence[Message] = ()
    approve: Approve | None = None
    budget: Budget | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    accept_changes: bool = False

    def own_verdicts(self) -> dict[str, Verdict]:
        """Those about steps of the run itself."""
        return {key: said for key, said in self.verdicts.items() if "/" not in key}


@dataclass(frozen=True, slots=True)
class Opening:
    """Makes the runs of one Runtime; the fields are what they share."""

    settled: Settled
    durations: DurationSource
    caller: ToolCaller
    clock: Clock
    budget: Budget
    max_parallel: int
    approve: Approve | None = None
    tracing: Tracing | None = None
    prices: PriceList = NO_PRICES
    call_counts: CallCounts = field(default_factory=CallCounts)
    ends: ProgramEnds = field(default_factory=ProgramEnds)
    secrets: SecretProvider | None = field(default=None, repr=False)
    dry_run: bool = False

    def pipeline(
        self, task: str | Plan, log: EventLog, options: RunOptions, origin: Origin
    ) -> Pipeline:
        """A run that has not started."""
        outer = origin.parent
        around = outer.scope if isinstance(outer, ScopedProgram) else None
        meter = BudgetMeter(options.budget or self.budget, self.clock, prices=self.prices)
        if outer is not None:
            meter = meter.within(outer.budget)
        settled = self.settled
        if origin.nested and around is not None:
            # What it keeps must be there for as long as the journal that tells of it.
            settled = replace(settled, artifacts=around.artifacts)
        scope = RunScope(
            artifacts=settled.artifacts,
            journal=origin.journal,
            approve=joined(self.approve, options.approve),
            verdicts=options.verdicts,
            accept_changes=options.accept_changes,
            tracing=self._tracing(around),
            caller=self.caller,
            durations=self.durations,
            ends=self.ends,
            dry_run=self.dry_run,
        )
        if scope.tracing is not None:
            scope.tracing.watch(log)
        outside = None if outer is None else outer.secrets
        secrets = self.secrets if self.secrets is not None else outside
        program = ScopedProgram(log.run_id, meter, log, secrets=secrets, scope=scope)
        return Pipeline(
            settled,
            task,
            log=log,
            program=program,
            scope=scope,
            undoing=Undoing(
                settled.artifacts, self.clock, origin.journal, scope.logs, secrets=secrets
            ),
            execution=self._execution(settled, program, scope, options, outer is not None),
            history=options.history,
            output_type=options.output_type,
            origin=replace(origin, budget=options.budget),
        )

    def _tracing(self, around: RunScope | None) -> Tracing | None:
        """That of the run around it comes first: one trace shows both."""
        if around is not None and around.tracing is not None:
            return around.tracing
        return self.tracing

    def _execution(
        self,
        settled: Settled,
        program: Program,
        scope: RunScope,
        options: RunOptions,
        within: bool,
    ) -> Execution:
        return Execution(
            settled.tools,
            program,
            durations=self.durations,
            call_counts=self.call_counts,
            artifacts=settled.artifacts,
            approve=scope.approve,
            max_parallel=self.max_parallel,
            verdicts=options.own_verdicts(),
            caller=self.caller,
            within=program.run_id if within else None,
        )

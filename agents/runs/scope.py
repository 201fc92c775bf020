"""What the steps of a run find there when they start runs of their own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from treadle.agents.runs.program_ends import ProgramEnds
from treadle.core.durations import DurationSource
from treadle.core.event_log import EventLog
from treadle.core.program import Outlook, Program, current_program
from treadle.core.taint import Labels
from treadle.executor.approval import Approve
from treadle.executor.calling import ToolCaller
from treadle.executor.doubts import Verdict
from treadle.planner.patch import PlanPatch
from treadle.planner.plan import Plan
from treadle.tools.artifacts import ArtifactStore

if TYPE_CHECKING:
    from treadle.agents.runs.tracing import Tracing
    from treadle.executor.journal import Journal


AskPatch: TypeAlias = Callable[[PlanPatch, str | None, Labels], Coroutine[Any, Any, Plan]]
"""Changes the plan of a run, for the step with that id, which has read what carries the labels.

See `treadle.agents.runs.patch_plan`.
"""


class Pausable(Protocol):
    """A run that can be told to start nothing more."""

    def pause(self) -> None: ...


@dataclass(slots=True, eq=False)
class RunScope:
    """What a run shares with the runs that its steps start.

    journal: where the run is recorded; None for one in memory.
    artifacts: where its large values are.
    approve: who decides on effects; None when there is nobody to ask.
    verdicts: what a person said of steps of nested runs that are in doubt, by `RUN/STEP`.
    accept_changes: whether runs go on although their tools have changed.
    tracing: makes spans of the events; None where nobody wants them.
    caller: makes the calls of tools under the limits that runs share.
    children: the nested runs under way. logs: those of nested runs that are in memory, by id.
    paused: whether nothing more is to start.
    patch: changes the plan of the run, for one of its steps.
    durations: told how long the calls of agents take.
    ends: told when the run is over.
    dry_run: whether nothing may be changed: tools with effects are played by their mocks.
    """

    artifacts: ArtifactStore
    journal: Journal | None = None
    approve: Approve | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    accept_changes: bool = False
    tracing: Tracing | None = None
    children: set[Pausable] = field(default_factory=set)
    logs: dict[str, EventLog] = field(default_factory=dict)
    paused: bool = False
    caller: ToolCaller | None = None
    patch: AskPatch | None = None
    durations: DurationSource | None = None
    ends: ProgramEnds = field(default_factory=ProgramEnds)
    dry_run: bool = False

    def pause(self) -> None:
        """The run is paused, and with it those that its steps have started."""
        self.paused = True
        for child in list(self.children):
            child.pause()


@dataclass(frozen=True, slots=True)
class ScopedProgram(Program):
    """A program whose steps can see its scope."""

    scope: RunScope | None = None

    def for_step(self, step_id: str, outlook: Callable[[], Outlook] | None) -> Program:
        """The same program, seen from inside a step; spans made from now on belong to it."""
        scope = self.scope
        if scope is not None and scope.tracing is not None:
            scope.tracing.enter(self.run_id, step_id)
        return ScopedProgram(
            self.run_id, self.budget, self.log, step_id, outlook, self.called, self.secrets, scope
        )


def current_scope() -> RunScope | None:
    """The scope of the run that the current task works for; None outside of any run."""
    program = current_program.get()
    return program.scope if isinstance(program, ScopedProgram) else None

"""Undo of runs, those within them included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from treadle.agents.runs.nesting import child_run_id, nesting
from treadle.agents.runs.tracing import Tracing
from treadle.core.clock import Clock
from treadle.core.errors import RunError
from treadle.core.event_log import EventLog
from treadle.core.secrets import SecretProvider
from treadle.executor.history import History
from treadle.executor.step_key import StepKey
from treadle.executor.undo import Undone, undo
from treadle.tools import Tool, ToolRegistry
from treadle.tools.artifacts import ArtifactStore

if TYPE_CHECKING:
    from treadle.executor.journal import Journal


@dataclass(frozen=True, slots=True)
class Undoing:
    """Takes back what runs did.

    journal: where they are recorded; None where they are in memory, in `logs` by their ids.
    """

    artifacts: ArtifactStore
    clock: Clock
    journal: Journal | None = None
    logs: Mapping[str, EventLog] = field(default_factory=dict)
    tracing: Tracing | None = None
    secrets: SecretProvider | None = field(default=None, repr=False)

    async def run(
        self, journal: Journal, run_id: str, tools: ToolRegistry, step_id: str | None = None
    ) -> list[Undone]:
        """Take back a journaled run, or one step of it. Raises as `Runtime.undo` does."""
        row = await journal.row(run_id)
        recording = await journal.take(run_id)
        try:
            events = await journal.events(run_id)
            log = EventLog(run_id, self.clock, recording, events)
            recording.log = log
            if self.tracing is not None:
                self.tracing.watch(log)
            return await self.log(log, tools, step_id)
        finally:
            await journal.release(recording, row.status, row.finished_at)

    async def log(
        self, log: EventLog, tools: ToolRegistry, step_id: str | None = None
    ) -> list[Undone]:
        """Take back the run of `log`, or one step of it."""
        history = History(log.events)
        return await undo(
            history,
            log,
            tools,
            self.artifacts,
            step_id=step_id,
            within=self._within,
            secrets=self.secrets,
        )

    async def _within(self, tool: Tool, step: StepKey) -> list[Undone] | None:
        """Take back the run that a call of `step` has made; None where `tool` makes none."""
        nested = nesting(tool)
        if nested is None:
            return None
        run_id = child_run_id(step)
        try:
            if self.journal is not None:
                undone = await self.run(self.journal, run_id, nested.tools_within)
            elif run_id in self.logs:
                undone = await self.log(self.logs[run_id], nested.tools_within)
            else:
                undone = []
        except RunError as error:
            if error.code not in ("run_not_found", "nothing_recorded"):
                raise
            undone = []  # it never began, or had no plan yet
        return [each if each.run_id else replace(each, run_id=run_id) for each in undone]

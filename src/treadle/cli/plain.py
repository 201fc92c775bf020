"""A run as plain lines, where there is no terminal."""

from __future__ import annotations

from treadle.cli.harmless import one_line
from treadle.cli.looks import GLYPHS, STOPPING, seconds
from treadle.cli.output import print_note
from treadle.cli.run_view import RunView
from treadle.core.events import (
    ApprovalRequested,
    Event,
    MemoryRecalled,
    PatchRefused,
    PlanningStarted,
    PlanReused,
    RepairRequested,
    RunFinished,
    RunResumed,
    StepFinished,
    StepRetrying,
    StepStarted,
)

MOST_LINES = 400
"""Steps up to which each start and end is a line; beyond, only what went wrong is."""


class PlainRun:
    """Writes a line to stderr for what a person wants to know."""

    def __init__(self) -> None:
        self.view = RunView()
        self._wrong = 0

    def take(self, event: Event) -> None:
        """Fold in an event and write its line, if it has one."""
        self.view.take(event)
        line = self._line(event)
        if line is not None:
            print_note(line)

    def stopping(self) -> None:
        """Say so."""
        print_note(STOPPING)

    def abandon(self) -> None:
        """Nothing to put in order."""

    def _line(self, event: Event) -> str | None:
        match event:
            case RunResumed() if self.view.steps:
                done = self.view.counts["succeeded"]
                return f"resumed: {done:,} of {len(self.view.steps):,} steps were done before"
            case PlanningStarted():
                again = f" (replan {event.replan})" if event.replan else ""
                return f"planning with {one_line(event.model)}{again}"
            case MemoryRecalled():
                return _recalled(event)
            case PlanReused():
                return f"plan from memory: {one_line(event.procedure)}"
            case RepairRequested():
                codes = ", ".join(sorted({error.code for error in event.errors}))
                return f"repair {event.attempt}: {one_line(codes)}"
            case StepStarted() if self._is_small:
                step = self.view.steps[event.step_id]
                return f"> {step.id}: {one_line(step.tool)}"
            case StepRetrying() if self._is_worth_a_line():
                return (
                    f"~ {event.step_id}: again in {event.delay:g} s: {one_line(str(event.error))}"
                )
            case StepFinished():
                went_wrong = event.status == "failed" and self._is_worth_a_line()
                return self._ended(event) if self._is_small or went_wrong else None
            case ApprovalRequested():
                return f"? approval needed: {', '.join(event.step_ids[:20])}"
            case PatchRefused():
                return f"! a patch was refused: {one_line(str(event.error), 300)}"
            case RunFinished() if not self._is_small:
                return self._summary(event)
        return None

    @property
    def _is_small(self) -> bool:
        return len(self.view.steps) <= MOST_LINES

    def _is_worth_a_line(self) -> bool:
        """Whether one more line about what went wrong is still read by anybody."""
        self._wrong += 1
        return self._is_small or self._wrong <= MOST_LINES

    def _ended(self, event: StepFinished) -> str:
        step = self.view.steps[event.step_id]
        elapsed = step.elapsed(event.at)
        took = "" if elapsed is None else f" ({seconds(elapsed)})"
        reason = "" if event.error is None else f": {one_line(str(event.error), 300)}"
        return f"{GLYPHS[event.status]} {step.id}: {event.status}{took}{reason}"

    def _summary(self, event: RunFinished) -> str:
        counted = self.view.counts
        counts = [f"{counted[look]:,} {look}" for look in GLYPHS if counted[look]]
        began = event.at if self.view.started is None else self.view.started
        took = seconds(max(0.0, event.at - began))
        return f"{len(self.view.steps):,} steps: {', '.join(counts)} ({took})"


def _recalled(event: MemoryRecalled) -> str | None:
    if event.error is not None:
        return f"! memory was not asked: {one_line(str(event.error), 300)}"
    return f"recalled {len(event.items):,} from memory" if event.items else None

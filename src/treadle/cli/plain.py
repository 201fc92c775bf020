"""A run as plain lines, where there is no terminal."""

from __future__ import annotations

from treadle.cli.harmless import one_line
from treadle.cli.live import GLYPHS, seconds
from treadle.cli.output import print_note
from treadle.cli.run_view import RunView
from treadle.core.events import (
    ApprovalRequested,
    Event,
    PlanningStarted,
    RepairRequested,
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

    def take(self, event: Event) -> None:
        """Fold in an event and write its line, if it has one."""
        self.view.take(event)
        line = self._line(event)
        if line is not None:
            print_note(line)

    def _line(self, event: Event) -> str | None:
        few = len(self.view.steps) <= MOST_LINES
        match event:
            case PlanningStarted():
                again = f" (replan {event.replan})" if event.replan else ""
                return f"planning with {event.model}{again}"
            case RepairRequested():
                codes = ", ".join(sorted({error.code for error in event.errors}))
                return f"repair {event.attempt}: {codes}"
            case StepStarted() if few:
                step = self.view.steps[event.step_id]
                return f"> {step.id}: {step.tool}"
            case StepRetrying():
                return (
                    f"~ {event.step_id}: again in {event.delay:g} s: {one_line(str(event.error))}"
                )
            case StepFinished() if few or event.status == "failed":
                return self._ended(event)
            case ApprovalRequested():
                return f"? approval needed: {', '.join(event.step_ids[:20])}"
        return None

    def _ended(self, event: StepFinished) -> str:
        step = self.view.steps[event.step_id]
        elapsed = step.elapsed(event.at)
        took = "" if elapsed is None else f" ({seconds(elapsed)})"
        reason = "" if event.error is None else f": {one_line(str(event.error), 300)}"
        return f"{GLYPHS[event.status][0]} {step.id}: {event.status}{took}{reason}"

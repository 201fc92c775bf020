"""The timeline of a run: what happened when, read from its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from treadle.cli.looks import GLYPHS
from treadle.cli.run_view import Look
from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo
from treadle.core.events import Event, RunStatus
from treadle.core.json_value import JsonValue
from treadle.core.payload import Payload

StretchKind: TypeAlias = Literal["run", "retry", "approval", "model", "rest"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time, in seconds since 1970.

    kind: "run" (an attempt), "retry" (until the next one), "approval" (a person was asked),
        "model" (a call of a model outside of the steps) or "rest" (no process held the run).
    label: for "model" what the call was for.
    """

    kind: StretchKind
    start: float
    end: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """A run that a step has started, and that has ended."""

    run_id: str
    step_id: str | None
    status: RunStatus
    usage: Usage


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step; times in seconds since 1970, None where it never started or ended.

    depth: how many steps stand before it on its longest path.
    attempts: how often it was begun; for a fan-out the step itself, not its items.
    retries: failed attempts that were followed by another one, those of items included.
    done, total: items of a fan-out that have ended, and there are; `failed` of them failed.
    ready: when the last step that it waited for had ended and it was planned.
    undone: its effect was taken back, or that of an item.
    """

    id: str
    tool: str
    needs: tuple[str, ...]
    wire: Payload
    depth: int = 0
    look: Look = "planned"
    ready: float | None = None
    started: float | None = None
    finished: float | None = None
    seconds: float | None = None
    attempts: int = 0
    retries: int = 0
    done: int = 0
    total: int = 0
    failed: int = 0
    usage: Usage = field(default_factory=Usage)
    error: ErrorInfo | None = None
    output: Payload | None = None
    undone: bool = False
    stretches: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run, as its events tell it.

    steps: in an order in which each stands behind what it needs.
    critical: the ids of the steps that determined the makespan: the step that ended last, before
        it the one whose end it waited for, and so on back to one that waited for none.
    pending: steps that wait for a person's approval; `doubtful` those of which nobody knows
        whether they took effect.
    models: calls of models outside of the steps (planner, joiner).
    gaps: when no process held the run, between its being cut short and its being resumed.
    ended: of the run, or of what is known of it.
    """

    run_id: str = ""
    task: Payload | None = None
    status: RunStatus | None = None
    began: float | None = None
    ended: float | None = None
    steps: tuple[StepLine, ...] = ()
    critical: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    answer: Payload | None = None
    error: ErrorInfo | None = None
    pending: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    models: tuple[Stretch, ...] = ()
    gaps: tuple[Stretch, ...] = ()
    children: tuple[Child, ...] = ()

    def offset(self, at: float) -> float:
        """Seconds of the run until `at`, without those in which no process held it."""
        if self.began is None:
            return 0.0
        rested = sum(max(0.0, min(gap.end, at) - gap.start) for gap in self.gaps)
        return max(0.0, at - self.began - rested)

    @property
    def seconds(self) -> float:
        """How long the run took, without the time in which no process held it."""
        return 0.0 if self.ended is None else self.offset(self.ended)

    @property
    def counts(self) -> dict[Look, int]:
        """How many steps are in each state; only states that occur, in their usual order."""
        counts: dict[Look, int] = dict.fromkeys(GLYPHS, 0)
        for step in self.steps:
            counts[step.look] += 1
        return {look: count for look, count in counts.items() if count}


def timeline_of(events: Sequence[Event]) -> Timeline:
    """Fold the events of one run, complete or not, resumed or not.

    Kinds of events that say nothing about time or state are passed over, and so is what names a
    step that was never planned.
    """
    # It needs the classes above.
    from treadle.cli.show.fold import Fold

    fold = Fold()
    for event in events:
        fold.take(event)
    return fold.timeline()


def readable(payload: Payload | None) -> JsonValue:
    """The value of `payload`; None where there is none, or where it was erased."""
    return None if payload is None or payload.erased else payload.value

"""What a run has left behind, as data, for learning from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from treadle.core.taint import CLEAN, Labels
from treadle.memory.learning.template import Wire

RunOutcome = Literal["succeeded", "failed", "other"]
"""`other`: cancelled, waiting, paused, out of budget; it says nothing of what was tried."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What became of one step. code, message: of its error; empty where it has none."""

    id: str
    tool: str
    status: str
    code: str = ""
    message: str = ""
    taint: Labels = CLEAN


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run that has ended.

    task: the user's words. plan: the last version, in wire form.
    fingerprints: of the tools that it calls, as they were when it was planned.
    alone: whether the task stands for itself; not where a conversation came before it.
    repairs: error codes of what the planner was asked to mend. replans: how often it was patched.
    author: the labels of what the author of the plan had read.
    reused: the id of the procedure that the plan comes from; None where a planner wrote it.
    concepts: ids of those that the planner was shown.
    shown: the texts that were recalled and shown to the planner.
    """

    run_id: str
    task: str
    outcome: RunOutcome
    plan: Wire | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[StepRecord, ...] = ()
    alone: bool = True
    repairs: tuple[str, ...] = ()
    replans: int = 0
    author: Labels = CLEAN
    reused: str | None = None
    concepts: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    @property
    def flawless(self) -> bool:
        """Whether the plan as it was written did all that was asked."""
        ended = all(step.status in ("succeeded", "skipped") for step in self.steps)
        clean = not any(step.code and step.status != "skipped" for step in self.steps)
        return self.outcome == "succeeded" and self.replans == 0 and ended and clean

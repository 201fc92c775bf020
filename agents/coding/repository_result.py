"""What an agent's work on a repository came to, with the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from typing_extensions import TypedDict

from treadle.agents.coding.project_tests import TestReport
from treadle.agents.coding.result import Count
from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo
from treadle.core.json_value import JsonValue

RepositoryVerdict: TypeAlias = Literal["passed", "unverified", "failed", "worse", "unchanged"]
"""passed: every test of the project. unverified: there are none. failed: some still fail, and none
that passed before. worse: a test that passed no longer does, or no more pass than before and there
are more faults in the code; all changes were taken back. unchanged: nothing was changed."""


class RepositoryOutput(TypedDict):
    """A RepositoryResult as the output of a step: what references in a plan can name."""

    verdict: RepositoryVerdict
    answer: str
    diff: str
    files: list[str]
    kept: bool
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EditStep:
    """One change set that was applied.

    score: weight of the diagnostics that it resolved less that of the new ones; None where that
    could not be measured, and `note` says why.
    """

    files: tuple[str, ...]
    score: float | None
    resolved: int = 0
    new: int = 0
    note: str = ""

    def as_json(self) -> dict[str, JsonValue]:
        """The step as a JSON object."""
        return {
            "files": list(self.files),
            "score": self.score,
            "resolved": self.resolved,
            "new": self.new,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class RepositoryEvidence:
    """What a verdict rests on.

    before, after: tests that passed, of those that were run. fixed: that pass now and did not.
    broken: that passed and do not. steps: what was applied, with the score of each.
    score: of all steps together; None where one could not be measured. level: the weakest level of
    the sandbox that a run of the tests had. stopped: what ended the model's work early.
    """

    before: Count = field(default_factory=Count)
    after: Count = field(default_factory=Count)
    fixed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    steps: tuple[EditStep, ...] = ()
    executions: int = 0
    level: str | None = None
    usage: Usage = field(default_factory=Usage)
    stopped: ErrorInfo | None = None

    @property
    def score(self) -> float | None:
        """The sum of the scores of all steps."""
        values = [each.score for each in self.steps if each.score is not None]
        return round(sum(values), 6) if len(values) == len(self.steps) else None

    def as_json(self) -> dict[str, JsonValue]:
        """The evidence as a JSON object."""
        stopped = self.stopped
        return {
            "before": {"passed": self.before.passed, "total": self.before.total},
            "after": {"passed": self.after.passed, "total": self.after.total},
            "fixed": list(self.fixed),
            "broken": list(self.broken),
            "steps": [each.as_json() for each in self.steps],
            "score": self.score,
            "executions": self.executions,
            "level": self.level,
            "usage": dict(self.usage.as_json()),
            "stopped": None
            if stopped is None
            else {"code": stopped.code, "message": stopped.message},
        }


@dataclass(frozen=True, slots=True)
class RepositoryResult:
    """Changes to a repository, and what is known of them.

    answer: what the model said at the end. diff, files: what was changed, also where it was taken
    back. kept: whether it is in the repository now.
    """

    verdict: RepositoryVerdict
    answer: str
    diff: str
    files: tuple[str, ...]
    kept: bool
    evidence: RepositoryEvidence

    def as_json(self) -> dict[str, JsonValue]:
        """The result as a JSON object."""
        return {
            "verdict": self.verdict,
            "answer": self.answer,
            "diff": self.diff,
            "files": list(self.files),
            "kept": self.kept,
            "evidence": self.evidence.as_json(),
        }


def verdict_of(
    before: TestReport, after: TestReport, score: float | None, *, edited: bool
) -> RepositoryVerdict:
    """Tests decide; where they say nothing new, the faults that a language server finds do."""
    if not edited:
        return "unchanged"
    gained = after.passed - before.passed
    if before.passed - after.passed or (not gained and score is not None and score < 0):
        return "worse"
    # A test that failed before and is not heard of any more has not been repaired.
    if after.all_passed and not before.failed - after.passed:
        return "passed"
    return "failed" if after.failed else "unverified"

"""What a code agent came to, with the evidence for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from typing_extensions import TypedDict

from treadle.agents.coding.clarifying import Question
from treadle.core.chat import Usage
from treadle.core.errors import ErrorInfo
from treadle.core.json_value import JsonValue

CodeVerdict: TypeAlias = Literal["passed", "doubtful", "failed", "unverified"]
"""passed: all tests that the caller or a person gave. doubtful: these too, but there are inputs on
which nobody has said what is right. failed: not all. unverified: there was no test but what the
model made up itself."""


class CodeOutput(TypedDict):
    """A CodeResult as the output of a step: what references in a plan can name."""

    verdict: CodeVerdict
    code: str
    files: dict[str, str]
    evidence: dict[str, Any]
    doubts: list[dict[str, Any]]
    failures: list[str]


@dataclass(frozen=True, slots=True)
class Count:
    """How many of how many tests passed."""

    passed: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on.

    given, person, generated: tests by who has said what should come out.
    attempts: programs that were judged, over all candidates. actions: what was tried beside that.
    candidates: how many came to a program. selected_by: what chose among them.
    executions: in the sandbox. level: the weakest level that any of them had.
    plan_agreed: on how many examples the plan was right when it was carried out by hand.
    stopped: what ended the work early (a budget, a model), where something did.
    """

    given: Count = field(default_factory=Count)
    person: Count = field(default_factory=Count)
    generated: Count = field(default_factory=Count)
    attempts: int = 0
    actions: int = 0
    candidates: int = 0
    selected_by: str = "only"
    executions: int = 0
    level: str | None = None
    plan_agreed: Count | None = None
    usage: Usage = field(default_factory=Usage)
    stopped: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class CodeResult:
    """Code, and what is known of it.

    files: by relative path; the code is `solution.py`.
    doubts: inputs on which candidates or made-up tests differ and nobody has decided.
    failures: what failed, a line each.
    """

    code: str
    verdict: CodeVerdict
    evidence: Evidence
    files: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[Question, ...] = ()
    failures: tuple[str, ...] = ()

    def as_json(self) -> dict[str, JsonValue]:
        """The result as a JSON object."""
        evidence = self.evidence
        return {
            "verdict": self.verdict,
            "code": self.code,
            "files": dict(self.files),
            "evidence": {
                "given": _count(evidence.given),
                "person": _count(evidence.person),
                "generated": _count(evidence.generated),
                "attempts": evidence.attempts,
                "actions": evidence.actions,
                "candidates": evidence.candidates,
                "selected_by": evidence.selected_by,
                "executions": evidence.executions,
                "level": evidence.level,
                "plan_agreed": _count(evidence.plan_agreed) if evidence.plan_agreed else None,
                "usage": dict(evidence.usage.as_json()),
                "stopped": _error(evidence.stopped),
            },
            "doubts": [each.as_json() for each in self.doubts],
            "failures": list(self.failures),
        }


def _count(count: Count) -> JsonValue:
    return {"passed": count.passed, "total": count.total}


def _error(error: ErrorInfo | None) -> JsonValue:
    return None if error is None else {"code": error.code, "message": error.message}

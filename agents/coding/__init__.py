"""The code agent: writes code, runs it in the sandbox, reads what comes out, repairs it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.agents.coding.case import Call, Case
    from treadle.agents.coding.clarifying import Answer, Clarify, Question
    from treadle.agents.coding.code_agent import CodeAgent
    from treadle.agents.coding.loop import LoopLimits
    from treadle.agents.coding.project_tests import ProjectTests
    from treadle.agents.coding.repository_agent import RepositoryAgent
    from treadle.agents.coding.repository_result import (
        EditStep,
        RepositoryEvidence,
        RepositoryResult,
    )
    from treadle.agents.coding.result import CodeResult, Evidence
    from treadle.agents.coding.strategy import QUICK, THOROUGH, Strategy

__all__ = [
    "QUICK",
    "THOROUGH",
    "Answer",
    "Call",
    "Case",
    "Clarify",
    "CodeAgent",
    "CodeResult",
    "EditStep",
    "Evidence",
    "LoopLimits",
    "ProjectTests",
    "Question",
    "RepositoryAgent",
    "RepositoryEvidence",
    "RepositoryResult",
    "Strategy",
]

_HOMES = {
    "QUICK": "strategy",
    "THOROUGH": "strategy",
    "Answer": "clarifying",
    "Call": "case",
    "Case": "case",
    "Clarify": "clarifying",
    "CodeAgent": "code_agent",
    "CodeResult": "result",
    "EditStep": "repository_result",
    "Evidence": "result",
    "LoopLimits": "loop",
    "ProjectTests": "project_tests",
    "Question": "clarifying",
    "RepositoryAgent": "repository_agent",
    "RepositoryEvidence": "repository_result",
    "RepositoryResult": "repository_result",
    "Strategy": "strategy",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    return value

"""The code agent: writes code, runs it in the sandbox, reads what comes out, repairs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "case": ("Call", "Case"),
        "clarifying": ("Answer", "Clarify", "Question"),
        "code_agent": ("CodeAgent",),
        "loop": ("LoopLimits",),
        "project_tests": ("ProjectTests",),
        "repository_agent": ("RepositoryAgent",),
        "repository_result": ("EditStep", "RepositoryEvidence", "RepositoryResult"),
        "result": ("CodeResult", "Evidence"),
        "strategy": ("QUICK", "Strategy", "THOROUGH"),
    },
)

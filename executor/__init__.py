"""The executor: runs plans without barriers, under limits, with everything recorded."""

from treadle.executor.approval import (
    ApprovalRequest,
    Approve,
    Decision,
    PendingCall,
    approve_all,
)
from treadle.executor.approval_policy import ApprovalPolicy, allow, ask, deny
from treadle.executor.execution import Execution
from treadle.executor.result import RunResult, StepResult

__all__ = [
    "ApprovalPolicy",
    "ApprovalRequest",
    "Approve",
    "Decision",
    "Execution",
    "PendingCall",
    "RunResult",
    "StepResult",
    "allow",
    "approve_all",
    "ask",
    "deny",
]

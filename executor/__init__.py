"""The executor: runs plans without barriers, under limits, with everything recorded."""

from treadle.executor.approval import ApprovalRequest, Approve, PendingCall, approve_all
from treadle.executor.execution import Execution
from treadle.executor.result import RunResult, StepResult

__all__ = [
    "ApprovalRequest",
    "Approve",
    "Execution",
    "PendingCall",
    "RunResult",
    "StepResult",
    "approve_all",
]

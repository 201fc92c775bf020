"""Program-aware scheduling without an engine: what to run next, what to admit, what KV to hold."""

from __future__ import annotations

from treadle.serving.policy.contract import (
    Call,
    Hold,
    Outcome,
    Pool,
    Rank,
    SchedulingPolicy,
    ToolUse,
)
from treadle.serving.policy.stock import StockPolicy
from treadle.serving.policy.treadle_policy import TreadlePolicy

__all__ = [
    "Call",
    "Hold",
    "Outcome",
    "Pool",
    "Rank",
    "SchedulingPolicy",
    "StockPolicy",
    "ToolUse",
    "TreadlePolicy",
]

"""Treadle: tasks become DAGs, DAGs run in parallel.

Everything public is named here and loads when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.lazy import lazy_names

if TYPE_CHECKING:
    from treadle.agents.agent import Agent, AgentResult
    from treadle.agents.runs.patch_plan import patch_plan, patch_plan_sync
    from treadle.agents.runs.run_stream import RunStream
    from treadle.agents.runtime import Runtime
    from treadle.agents.session import ChatSession
    from treadle.core.budget import Budget
    from treadle.core.chat import ChatModel, Message, Usage
    from treadle.core.errors import (
        BudgetExceeded,
        ConfigError,
        ErrorInfo,
        InputError,
        ModelError,
        PlanError,
        RunError,
        ToolError,
        TreadleError,
    )
    from treadle.core.events import Event
    from treadle.core.prices import Price
    from treadle.executor.approval import ApprovalRequest, Approve, Decision, approve_all
    from treadle.executor.approval_policy import ApprovalPolicy, allow, ask, deny
    from treadle.executor.result import RunResult, StepResult
    from treadle.memory.memory import Memory
    from treadle.planner.patch import PlanPatch
    from treadle.planner.plan import Plan
    from treadle.planner.step import OnFailure, Retry, Step
    from treadle.planner.workflow import INDEX, ITEM, Handle, Workflow, step, workflow
    from treadle.tools.decorator import tool
    from treadle.tools.effect import Effect
    from treadle.tools.registry import ToolRegistry
    from treadle.tools.tool import Tool

__version__ = "0.1.0"

__all__ = [
    "INDEX",
    "ITEM",
    "Agent",
    "AgentResult",
    "ApprovalPolicy",
    "ApprovalRequest",
    "Approve",
    "Budget",
    "BudgetExceeded",
    "ChatModel",
    "ChatSession",
    "ConfigError",
    "Decision",
    "Effect",
    "ErrorInfo",
    "Event",
    "Handle",
    "InputError",
    "Memory",
    "Message",
    "ModelError",
    "OnFailure",
    "Plan",
    "PlanError",
    "PlanPatch",
    "Price",
    "Retry",
    "RunError",
    "RunResult",
    "RunStream",
    "Runtime",
    "Step",
    "StepResult",
    "Tool",
    "ToolError",
    "ToolRegistry",
    "TreadleError",
    "Usage",
    "Workflow",
    "allow",
    "approve_all",
    "ask",
    "deny",
    "patch_plan",
    "patch_plan_sync",
    "step",
    "tool",
    "workflow",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "agents.agent": ("Agent", "AgentResult"),
        "agents.runs.patch_plan": ("patch_plan", "patch_plan_sync"),
        "agents.runs.run_stream": ("RunStream",),
        "agents.runtime": ("Runtime",),
        "agents.session": ("ChatSession",),
        "core.budget": ("Budget",),
        "core.chat": ("ChatModel", "Message", "Usage"),
        "core.errors": (
            "BudgetExceeded",
            "ConfigError",
            "ErrorInfo",
            "InputError",
            "ModelError",
            "PlanError",
            "RunError",
            "ToolError",
            "TreadleError",
        ),
        "core.events": ("Event",),
        "core.prices": ("Price",),
        "executor.approval": ("ApprovalRequest", "Approve", "Decision", "approve_all"),
        "executor.approval_policy": ("ApprovalPolicy", "allow", "ask", "deny"),
        "executor.result": ("RunResult", "StepResult"),
        "memory.memory": ("Memory",),
        "planner.patch": ("PlanPatch",),
        "planner.plan": ("Plan",),
        "planner.step": ("OnFailure", "Retry", "Step"),
        "planner.workflow": ("Handle", "INDEX", "ITEM", "Workflow", "step", "workflow"),
        "tools.decorator": ("tool",),
        "tools.effect": ("Effect",),
        "tools.registry": ("ToolRegistry",),
        "tools.tool": ("Tool",),
    },
)

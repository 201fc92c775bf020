"""Plans: what they are, how they are read, written, checked, drawn and changed."""

from treadle.planner.check import check_plan, check_step
from treadle.planner.draw import to_dot, to_mermaid, to_tree
from treadle.planner.patch import PlanPatch
from treadle.planner.plan import Plan
from treadle.planner.step import OnFailure, Retry, Step
from treadle.planner.stream import PlanStream

__all__ = [
    "OnFailure",
    "Plan",
    "PlanPatch",
    "PlanStream",
    "Retry",
    "Step",
    "check_plan",
    "check_step",
    "to_dot",
    "to_mermaid",
    "to_tree",
]

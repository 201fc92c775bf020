"""How much of a namespace is kept, and for how long."""

from treadle.memory.policies.policies import Enforced, Policies
from treadle.memory.policies.policy import Policy

__all__ = ["Enforced", "Policies", "Policy"]

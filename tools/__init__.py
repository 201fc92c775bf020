"""Tools: functions with a schema, an effect and limits, and the ones that are built in."""

from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.limits import CircuitBreaker, RateLimit
from treadle.tools.registry import ToolRegistry
from treadle.tools.retrieval.index import ToolIndex
from treadle.tools.retry import Retry
from treadle.tools.secrets import Secret
from treadle.tools.tool import Tool

__all__ = [
    "CircuitBreaker",
    "Effect",
    "RateLimit",
    "Retry",
    "Secret",
    "Tool",
    "ToolIndex",
    "ToolRegistry",
    "tool",
]

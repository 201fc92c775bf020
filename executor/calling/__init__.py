"""How calls of tools are guarded: cached, shared, cut off, slowed down, made twice."""

from treadle.executor.calling.caller import ToolCaller

__all__ = ["ToolCaller"]

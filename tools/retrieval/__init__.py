"""Finding tools among thousands."""

from treadle.tools.retrieval.choose import choose_tools
from treadle.tools.retrieval.index import FoundTool, ToolIndex
from treadle.tools.retrieval.spec import ToolSpec
from treadle.tools.retrieval.weights import SearchWeights

__all__ = ["FoundTool", "SearchWeights", "ToolIndex", "ToolSpec", "choose_tools"]

"""LangGraph's store and checkpointer on our database; any LangGraph application can use them."""

from treadle.memory.langgraph.checkpointer import TreadleCheckpointer
from treadle.memory.langgraph.errors import NamespaceError, OperationError
from treadle.memory.langgraph.langgraph_store import TreadleStore
from treadle.memory.langgraph.serializer import TrustedSerializer

__all__ = [
    "NamespaceError",
    "OperationError",
    "TreadleCheckpointer",
    "TreadleStore",
    "TrustedSerializer",
]

"""Everything that is learned, over one store."""

from __future__ import annotations

from treadle.core.chat import ChatModel
from treadle.memory.learning.artifacts import Artifacts
from treadle.memory.learning.concepts import Concepts
from treadle.memory.learning.distiller import Distiller
from treadle.memory.learning.instructions import Instructions
from treadle.memory.learning.people import People
from treadle.memory.learning.procedures import Procedures
from treadle.memory.store import Store


class Learning:
    """The parts of memory that runs teach and use.

    model: words lessons and summaries; without one code does.
    """

    def __init__(self, store: Store, model: ChatModel | None = None) -> None:
        self.concepts = Concepts(store)
        self.procedures = Procedures(store)
        self.people = People(store, model)
        self.artifacts = Artifacts(store)
        self.instructions = Instructions(store)
        self.distiller = Distiller(self.concepts, self.procedures, model)

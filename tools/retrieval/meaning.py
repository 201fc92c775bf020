"""Likeness in meaning, by an embedder that the user brings."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from operator import mul

from treadle.core.embedder import Embedder
from treadle.core.errors import ToolError


class Meaning:
    """Unit vectors of tools, made when they are first needed."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._texts: dict[int, str] = {}  # that have no vector yet
        self._vectors: dict[int, array[float]] = {}

    def put(self, number: int, text: str) -> None:
        """Keep `text` for tool `number`."""
        if number not in self._vectors:
            self._texts[number] = text

    def drop(self, number: int) -> None:
        """Forget tool `number`."""
        self._texts.pop(number, None)
        self._vectors.pop(number, None)

    def alike(self, query: str) -> dict[int, float]:
        """The cosine of each tool with `query`, where it is positive.

        Raises ToolError (`bad_embedding`) for vectors that do not fit together.
        """
        waiting = list(self._texts)
        made = self._embed([query, *(self._texts[number] for number in waiting)])
        wanted = made[0]
        for number, vector in zip(waiting, made[1:], strict=True):
            self._vectors[number] = vector
            del self._texts[number]
        found: dict[int, float] = {}
        for number, vector in self._vectors.items():
            if len(vector) != len(wanted):
                raise ToolError("bad_embedding", "the embedder's vectors differ in length")
            cosine = sum(map(mul, vector, wanted))
            if cosine > 0:
                found[number] = cosine
        return found

    def _embed(self, texts: Sequence[str]) -> list[array[float]]:
        vectors = self._embedder.embed(texts)
        if len(vectors) != len(texts):
            raise ToolError(
                "bad_embedding", f"the embedder gave {len(vectors)} vectors for {len(texts)} texts"
            )
        return [_unit(each) for each in vectors]


def _unit(vector: Sequence[float]) -> array[float]:
    length = sum(each * each for each in vector) ** 0.5
    if not length < float("inf"):
        raise ToolError("bad_embedding", "the embedder gave a vector that is not finite")
    return array("d", (each / length for each in vector) if length else vector)

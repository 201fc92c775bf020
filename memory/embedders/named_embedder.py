"""An embedder that can be told from others, whose vectors are checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treadle.core.embedder import Embedder
from treadle.core.errors import ConfigError, InputError, ModelError
from treadle.core.threads import run_in_thread

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST_CHARACTERS = 20_000
"""Of a text; what follows is not embedded."""

MOST_DIMENSIONS = 8192


@dataclass(frozen=True, slots=True)
class Vectors:
    """What an embedder made of texts.

    model: of which model; vectors of different models are never compared.
    rows: one of length 1 for each text, float32.
    """

    model: str
    rows: npt.NDArray[np.float32]


class NamedEmbedder:
    """An embedder with a name that stays the same from process to process.

    dimensions: how many numbers its vectors have; None where the first of them is to tell.

    Raises ConfigError: `missing_extra` without numpy, `bad_embedder` for a name that is none.
    """

    def __init__(self, embedder: Embedder, name: str, dimensions: int | None = None) -> None:
        if not name.strip() or not name.isprintable() or len(name) > 200:
            raise ConfigError(
                "bad_embedder", "an embedder needs a name of at most 200 characters that print"
            )
        _require_numpy()
        self.name = name
        self._embedder = embedder
        self._dimensions = dimensions

    @property
    def dimensions(self) -> int | None:
        """How many numbers a vector has, None while no one knows."""
        return self._dimensions

    @property
    def model(self) -> str | None:
        """Name and dimensions as one text, as in `Vectors`; None while no one knows them."""
        return None if self._dimensions is None else f"{self.name}/{self._dimensions}"

    async def vectors(self, texts: Sequence[str]) -> Vectors:
        """The vectors of `texts`, made in a thread.

        Lone surrogates count as unknown characters; of a text, MOST_CHARACTERS count.

        Raises InputError (`empty_text`) for a text of nothing but space, ModelError
        (`bad_embedding`) for vectors that are too few, too many, not finite, zero or of another
        length than before, and what the embedder raises.
        """
        return await run_in_thread(lambda: self.vectors_now(texts))

    def vectors_now(self, texts: Sequence[str]) -> Vectors:
        """The same as `vectors`; blocks until they are there."""
        import numpy as np

        cleaned = [_cleaned(text) for text in texts]
        if not all(cleaned):
            raise InputError("empty_text", "there is no vector for a text without a character")
        if not cleaned:
            size = self._dimensions or 0
            return Vectors(f"{self.name}/{size}", np.empty((0, size), np.float32))
        rows = _checked(self._embedder.embed(cleaned), len(cleaned))
        size = rows.shape[1]
        if self._dimensions is None:
            self._dimensions = size
        if size != self._dimensions:
            raise _bad(f"vectors of {size} numbers where {self._dimensions} were expected")
        return Vectors(f"{self.name}/{size}", rows)

    def close(self) -> None:
        """Close what the embedder holds open, where it holds anything."""
        close = getattr(self._embedder, "close", None)
        if callable(close):
            close()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors as lists, checked: a NamedEmbedder is an Embedder itself."""
        rows: list[list[float]] = self.vectors_now(texts).rows.tolist()
        return rows


def _cleaned(text: str) -> str:
    text = text[: 10 * MOST_CHARACTERS].strip()[:MOST_CHARACTERS]
    if text.isascii():
        return text
    # Halves of surrogate pairs are joined where both are there, and replaced where not.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _checked(vectors: Sequence[Sequence[float]], expected: int) -> npt.NDArray[np.float32]:
    import numpy as np

    if len(vectors) != expected:
        raise _bad(f"{len(vectors)} vectors for {expected} texts")
    try:
        rows = np.asarray(vectors, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise _bad("vectors of different lengths, or of what is no number") from error
    if rows.ndim != 2 or not 1 <= rows.shape[1] <= MOST_DIMENSIONS:
        raise _bad(f"no vectors of 1 to {MOST_DIMENSIONS} numbers")
    # Of the largest number first: squares of large numbers are not finite.
    largest = np.abs(rows).max(axis=1, keepdims=True)
    if not np.isfinite(largest).all():
        raise _bad("a vector that is not finite")
    if not (largest > 0).all():
        raise _bad("a vector of zeros, which has no direction")
    rows = rows / largest
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = rows.astype(np.float32)
    return unit


def _bad(what: str) -> ModelError:
    return ModelError("bad_embedding", f"the embedder gave {what}")


def _require_numpy() -> None:
    try:
        import numpy as np
    except ModuleNotFoundError as error:
        raise ConfigError(
            "missing_extra", "embeddings need numpy: pip install 'treadle[embeddings]'"
        ) from error
    if not hasattr(np, "bitwise_count"):
        raise ConfigError(
            "missing_extra",
            f"embeddings need numpy 2, this is {np.__version__}: pip install 'treadle[embeddings]'",
        )

"""Vectors for all sides alike, made before anything is measured.

So embedding costs no side any time, and all sides have the same model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

DIMENSIONS = 384


class Prepared:
    """Vectors by text. Texts that were not prepared get random ones, from the text alone."""

    name = "prepared"

    def __init__(self, path: Path | None = None) -> None:
        self._rows: dict[str, list[float]] = {}
        if path is not None:
            with np.load(path, allow_pickle=False) as held:
                self._rows = dict(zip(held["texts"].tolist(), held["rows"].tolist(), strict=True))

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text."""
        return [self._rows.get(each) or random_vector(each) for each in texts]


def random_vector(text: str) -> list[float]:
    """Of length 1; the same for the same text."""
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    row = np.random.default_rng(seed).standard_normal(DIMENSIONS, dtype=np.float32)
    made: list[float] = (row / np.linalg.norm(row)).tolist()
    return made


def prepare(texts: Iterable[str], path: Path) -> None:
    """Write the local embedder's vectors of `texts` to `path`, for `Prepared`."""
    from treadle.memory.embedders.local import LocalEmbedder

    each_once = list(dict.fromkeys(texts))
    embedder = LocalEmbedder()
    rows = [embedder.rows(each_once[at : at + 64]) for at in range(0, len(each_once), 64)]
    np.savez(path, texts=np.array(each_once), rows=np.concatenate(rows))

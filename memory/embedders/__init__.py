"""From texts to vectors, and from a vector to those that are nearest in a namespace."""

from __future__ import annotations

from treadle.memory.embedders.dense_search import Alike, DenseSearch
from treadle.memory.embedders.embedding_work import (
    Embedded,
    Pending,
    drop_other_models,
    embed_pending,
    missing_vectors,
)
from treadle.memory.embedders.hashing import HashingEmbedder
from treadle.memory.embedders.named_embedder import NamedEmbedder, Vectors
from treadle.memory.embedders.resolve import resolve_embedder
from treadle.memory.embedders.signature_cache import SignatureCache
from treadle.memory.embedders.vector_rows import drop_vectors, put_vectors

__all__ = [
    "Alike",
    "DenseSearch",
    "Embedded",
    "HashingEmbedder",
    "NamedEmbedder",
    "Pending",
    "SignatureCache",
    "Vectors",
    "drop_other_models",
    "drop_vectors",
    "embed_pending",
    "missing_vectors",
    "put_vectors",
    "resolve_embedder",
]

"""Vectors as bytes, and how near they are to a query."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from importlib.util import find_spec

from treadle.memory.langgraph.errors import OperationError


def packed(vector: Sequence[float], dims: int | None) -> bytes:
    """`vector` as float32, little endian.

    Raises OperationError (`bad_embedding`) for a length other than `dims`, or what is no number.
    """
    values = [float(each) for each in vector]
    if not values or (dims is not None and len(values) != dims):
        raise OperationError(
            "bad_embedding",
            f"the embedding gave a vector of {len(values)} numbers; the index has dims={dims}",
        )
    try:
        body = struct.pack(f"<{len(values)}f", *values)
    except (OverflowError, struct.error):
        body = b""
    if not body or not all(map(math.isfinite, values)):
        raise OperationError("bad_embedding", "the embedding gave a number that is not finite")
    return body


def cosines(query: bytes, vectors: Sequence[bytes]) -> list[float]:
    """The cosine of the angle between `query` and each vector; 0 where one has no length.

    Raises OperationError (`bad_embedding`) for vectors of another length than the query's.
    """
    if any(len(each) != len(query) for each in vectors):
        raise OperationError(
            "bad_embedding",
            f"the query has {len(query) // 4} dimensions, and items were indexed with another "
            "number: use the embedding that they were put with, or put them again",
        )
    if not vectors:
        return []
    return _with_numpy(query, vectors) if find_spec("numpy") else _without(query, vectors)


def _with_numpy(query: bytes, vectors: Sequence[bytes]) -> list[float]:
    import numpy as np

    one = np.frombuffer(query, dtype="<f4").astype(np.float64)
    all_ = np.frombuffer(b"".join(vectors), dtype="<f4").reshape(len(vectors), -1)
    lengths = np.sqrt(np.einsum("ij,ij->i", all_, all_, dtype=np.float64)) * np.linalg.norm(one)
    products = all_.astype(np.float64) @ one
    found = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return [float(each) for each in found]


def _without(query: bytes, vectors: Sequence[bytes]) -> list[float]:
    read = struct.Struct(f"<{len(query) // 4}f")
    one = read.unpack(query)
    length = math.hypot(*one)
    found = []
    for each in vectors:
        other = read.unpack(each)
        both = length * math.hypot(*other)
        found.append(math.fsum(map(_times, one, other)) / both if both else 0.0)
    return found


def _times(one: float, other: float) -> float:
    return one * other

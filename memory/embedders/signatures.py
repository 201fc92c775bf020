"""Signatures beside each other in memory, and which of them are nearest to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_BLOCK = 16_384
"""Signatures that are compared at once: what fits into a core's cache."""

_SMALLEST = 256
_WORD_BYTES = 8

_FIRST = 10
"""How many times as many as are wanted are picked by their bits alone."""


def signatures(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """The signs of each row's numbers as bits, filled up to whole words of 8 bytes."""
    import numpy as np

    bits = np.packbits(rows > 0, axis=1, bitorder="little")
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % _WORD_BYTES)))


def signature_words(model: str) -> int:
    """How many words of 8 bytes the signatures of `model` have: its text ends in dimensions."""
    return -(-int(model.rpartition("/")[2]) // 64)


class Signatures:
    """The signs of many vectors' numbers, one bit each, word by word.

    words: how many words of 64 bits a signature has.
    """

    def __init__(self, words: int) -> None:
        import numpy as np

        self.count = 0
        self.newest = 0
        self._items = np.empty(0, np.int64)
        # One row for each word, so that a comparison runs along memory.
        self._bits = np.empty((words, 0), np.uint64)

    @property
    def bytes(self) -> int:
        """What they take in memory."""
        return self._items.nbytes + self._bits.nbytes

    @property
    def items(self) -> npt.NDArray[np.int64]:
        """The numbers of the items, in the order in which they came."""
        return self._items[: self.count]

    def add(self, items: Sequence[int], bits: npt.NDArray[np.uint64]) -> None:
        """Append signatures, one row of `bits` for each item."""
        if not items:
            return
        end = self.count + len(items)
        self._grow(end)
        self._items[self.count : end] = items
        self._bits[:, self.count : end] = bits.T
        self.count = end
        self.newest = max(self.newest, max(items))

    def add_new(self, items: Sequence[int], bits: npt.NDArray[np.uint64]) -> int:
        """Append those of `items`, which ascend, that are not there; how many they are."""
        import numpy as np

        if not items:
            return 0
        numbers = np.asarray(items, np.int64)
        held = self.items
        new = ~np.isin(numbers, held[held >= numbers[0]])
        self.add(numbers[new].tolist(), bits[new])
        return int(new.sum())

    def nearest(self, vector: npt.NDArray[np.float32], most: int) -> npt.NDArray[np.int64]:
        """About the `most` items nearest to `vector`, which itself has all of its numbers.

        Ten times as many are picked by the bits that differ, and the nearest of these by the
        product of the vector and the signs: at a hundred thousand vectors that finds with half the
        candidates what the bits alone find (asymmetric distances: Gordo et al., PAMI 2014).
        """
        import numpy as np

        # Others may append meanwhile: they write behind `count`, or into new arrays.
        count, items, bits = self.count, self._items, self._bits
        if count <= most:
            return items[:count].copy()
        picked = np.arange(count)
        if count > _FIRST * most:
            distances = _distances(bits[:, :count], signatures(vector[None]).view("<u8")[0])
            picked = np.argpartition(distances, _FIRST * most)[: _FIRST * most]
        packed = np.ascontiguousarray(bits[:, picked].T).view(np.uint8)
        signs = np.unpackbits(packed, axis=1, count=len(vector), bitorder="little")
        # Not by the linear algebra library: its threads take longer to meet than this takes.
        products = np.einsum("ij,j->i", signs.astype(np.float32), vector)
        return items[picked[np.argpartition(products, -most)[-most:]]]

    def _grow(self, wanted: int) -> None:
        import numpy as np

        held = len(self._items)
        if wanted <= held:
            return
        size = max(wanted, held + held // 2, _SMALLEST)
        items = np.empty(size, np.int64)
        items[: self.count] = self._items[: self.count]
        bits = np.empty((len(self._bits), size), np.uint64)
        bits[:, : self.count] = self._bits[:, : self.count]
        self._items, self._bits = items, bits


def _distances(
    bits: npt.NDArray[np.uint64], signature: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint16]:
    """In how many bits each signature differs."""
    import numpy as np

    count = bits.shape[1]
    distances = np.zeros(count, np.uint16)
    differing = np.empty(_BLOCK, np.uint64)
    counted = np.empty(_BLOCK, np.uint8)
    for start in range(0, count, _BLOCK):
        end = min(start + _BLOCK, count)
        size = end - start
        for row, word in zip(bits, signature, strict=True):
            np.bitwise_xor(row[start:end], word, out=differing[:size])
            np.bitwise_count(differing[:size], out=counted[:size])
            distances[start:end] += counted[:size]
    return distances

"""The transformer of all-MiniLM-L6-v2 (arXiv 2002.10957, 1908.10084) in numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from treadle.core.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float32]

DIMENSIONS = 384
MOST_PIECES = 256
"""What the model was trained on, begin and end included."""

_LAYERS = 6
_HEADS = 12
_EPSILON = 1e-12
_TOKENS_AT_ONCE = 2048
"""Bounds the memory that a pass takes: about 60 MB."""

_ROWS_AT_ONCE = 32
"""Of the wide layer: what fits into a core's cache."""


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: Matrix  # inputs x outputs
    bias: Matrix

    def __call__(self, rows: Matrix) -> Matrix:
        result: Matrix = rows @ self.weight
        result += self.bias
        return result


@dataclass(frozen=True, slots=True)
class _Norm:
    scale: Matrix
    shift: Matrix

    def __call__(self, rows: Matrix) -> Matrix:
        import numpy as np

        rows -= rows.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", rows, rows) / rows.shape[1]
        rows /= np.sqrt(variance + _EPSILON)[:, None]
        rows *= self.scale
        rows += self.shift
        return rows


@dataclass(frozen=True, slots=True)
class _Layer:
    attended: _Linear  # queries, keys and values beside each other
    mixed: _Linear
    mixed_norm: _Norm
    widened: _Linear
    narrowed: _Linear
    narrowed_norm: _Norm


class Encoder:
    """Sentence vectors: the mean of the last layer's tokens, normalised.

    weights: tensors by the names that the model's file has.

    Raises ConfigError (`bad_embedder_files`) for weights that are not this model's.
    """

    def __init__(self, weights: Mapping[str, Matrix]) -> None:
        try:
            self._words = weights["embeddings.word_embeddings.weight"]
            # One segment only: its vector is added once and for all.
            self._positions: Matrix = (
                weights["embeddings.position_embeddings.weight"]
                + weights["embeddings.token_type_embeddings.weight"][0]
            )
            self._norm = _norm(weights, "embeddings.LayerNorm")
            self._layers = [_layer(weights, f"encoder.layer.{each}") for each in range(_LAYERS)]
            fits = self._words.shape[1] == self._positions.shape[1] == DIMENSIONS
        except (KeyError, ValueError, IndexError) as error:
            raise _not_it(str(error)) from error
        if not fits:
            raise _not_it("another width")

    def encode(self, sequences: Sequence[Sequence[int]]) -> Matrix:
        """One row of length 1 for each sequence of word pieces, none of them empty."""
        import numpy as np

        vectors = np.empty((len(sequences), DIMENSIONS), np.float32)
        for batch in _batches(sequences):
            vectors[batch] = self._pass([sequences[each] for each in batch])
        return vectors

    def _pass(self, sequences: list[Sequence[int]]) -> Matrix:
        """All tokens in one matrix without padding; sequences of one length are neighbours."""
        import numpy as np

        tokens = np.concatenate([np.asarray(each, np.intp) for each in sequences])
        positions = np.concatenate([np.arange(len(each)) for each in sequences])
        runs = [(length, len(list(run))) for length, run in groupby(map(len, sequences))]
        rows = self._norm(self._words[tokens] + self._positions[positions])
        for layer in self._layers:
            mixed = layer.mixed(_attention(layer.attended(rows), runs))
            mixed += rows
            rows = layer.mixed_norm(mixed)
            wide = layer.widened(rows)
            _gelu(wide)
            narrow = layer.narrowed(wide)
            narrow += rows
            rows = layer.narrowed_norm(narrow)
        starts = np.cumsum([0, *map(len, sequences[:-1])])
        # The sum's direction is the mean's.
        summed: Matrix = np.add.reduceat(rows, starts, axis=0)
        summed /= np.linalg.norm(summed, axis=1, keepdims=True)
        return summed


def _batches(sequences: Sequence[Sequence[int]]) -> list[list[int]]:
    """The places of all sequences, by length, in batches of bounded size."""
    batches: list[list[int]] = []
    room = 0
    for place in sorted(range(len(sequences)), key=lambda each: len(sequences[each])):
        if room < len(sequences[place]):
            batches.append([])
            room = _TOKENS_AT_ONCE
        batches[-1].append(place)
        room -= len(sequences[place])
    return batches


def _attention(attended: Matrix, runs: list[tuple[int, int]]) -> Matrix:
    """Each head's mixture of values, for runs of (length, how many sequences)."""
    import numpy as np

    mixed = np.empty((len(attended), DIMENSIONS), np.float32)
    size = DIMENSIONS // _HEADS
    start = 0
    for length, count in runs:
        end = start + length * count
        parts = attended[start:end].reshape(count, length, 3, _HEADS, size)
        queries, keys, values = parts.transpose(2, 0, 3, 1, 4)
        scores = queries @ keys.swapaxes(2, 3)
        scores *= size**-0.5
        scores -= scores.max(axis=3, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=3, keepdims=True)
        heads = (scores @ values).transpose(0, 2, 1, 3)
        mixed[start:end] = heads.reshape(-1, DIMENSIONS)
        start = end
    return mixed


# 1 - erf by Abramowitz and Stegun, formula 7.1.26: wrong by 1.5e-7 at most.
_P = 0.3275911
_POLYNOMIAL = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def _gelu(rows: Matrix) -> None:
    """x times the normal distribution's share below x (arXiv 1606.08415), in place."""
    import numpy as np

    for start in range(0, len(rows), _ROWS_AT_ONCE):
        block = rows[start : start + _ROWS_AT_ONCE]
        scaled = np.abs(block)
        scaled *= np.float32(0.5**0.5)
        step = scaled * np.float32(_P)
        step += 1
        np.reciprocal(step, out=step)
        tail = step * np.float32(_POLYNOMIAL[0])
        for factor in _POLYNOMIAL[1:]:
            tail += np.float32(factor)
            tail *= step
        scaled *= scaled
        np.negative(scaled, out=scaled)
        np.exp(scaled, out=scaled)
        tail *= scaled
        # max(x, 0) - |x| * tail / 2 is the same for both signs, without a branch.
        np.abs(block, out=step)
        tail *= step
        tail *= 0.5
        np.maximum(block, 0, out=block)
        block -= tail


def _layer(weights: Mapping[str, Matrix], name: str) -> _Layer:
    import numpy as np

    inner = [f"{name}.attention.self.{each}" for each in ("query", "key", "value")]
    attended = _Linear(
        np.concatenate([weights[f"{each}.weight"].T for each in inner], axis=1),
        np.concatenate([weights[f"{each}.bias"] for each in inner]),
    )
    return _Layer(
        attended,
        _linear(weights, f"{name}.attention.output.dense"),
        _norm(weights, f"{name}.attention.output.LayerNorm"),
        _linear(weights, f"{name}.intermediate.dense"),
        _linear(weights, f"{name}.output.dense"),
        _norm(weights, f"{name}.output.LayerNorm"),
    )


def _linear(weights: Mapping[str, Matrix], name: str) -> _Linear:
    import numpy as np

    # Copied: pages of a mapped file could be lost under memory pressure between two passes.
    return _Linear(np.ascontiguousarray(weights[f"{name}.weight"].T), weights[f"{name}.bias"])


def _norm(weights: Mapping[str, Matrix], name: str) -> _Norm:
    return _Norm(weights[f"{name}.weight"], weights[f"{name}.bias"])


def _not_it(what: str) -> ConfigError:
    return ConfigError(
        "bad_embedder_files", f"the weights are not all-MiniLM-L6-v2's ({what}): install it again"
    )

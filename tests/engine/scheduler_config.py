# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""What a scheduler without a model is configured with."""

from __future__ import annotations

import functools
import json
import warnings
from pathlib import Path

from tests.engine.timed_holding import TIMED_HOLDING

with warnings.catch_warnings():
    # As in `scheduler_harness`.
    warnings.simplefilter("ignore")
    from vllm.config import (
        CacheConfig,
        DeviceConfig,
        KVTransferConfig,
        ModelConfig,
        SchedulerConfig,
        VllmConfig,
    )

BLOCK = 16
"""Tokens of a block."""

_CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 8192,
    "vocab_size": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "torch_dtype": "float32",
}


def model_folder(folder: Path) -> str:
    """A folder with the configuration of a tiny model in it, and nothing else."""
    (folder / "config.json").write_text(json.dumps(_CONFIG))
    return str(folder)


def _connector(name: str) -> KVTransferConfig | None:
    if not name:
        return None
    if name == "offloading":
        return KVTransferConfig(
            kv_connector="OffloadingConnector",
            kv_role="kv_both",
            kv_connector_extra_config={"cpu_bytes_to_use": 1 << 24, "offload_prompt_only": False},
        )
    return KVTransferConfig(
        kv_connector="ProgramConnector",
        kv_connector_module_path="treadle.serving.vllm_plugin.connector",
        kv_role="kv_producer",
    )


@functools.cache
def vllm_config(
    model: str,
    *,
    blocks: int,
    max_running: int = 16,
    step_tokens: int = 512,
    longest: int = 2048,
    asynchronous: bool = False,
    policy: str = "fcfs",
    caching: bool = True,
    connector: str = "",
) -> VllmConfig:
    """What an engine would be configured with. connector: "", "holding" (ours) or "offloading"."""
    cache = CacheConfig(block_size=BLOCK, cache_dtype="auto", enable_prefix_caching=caching)
    config = VllmConfig(
        scheduler_config=SchedulerConfig(
            max_num_seqs=max_running,
            max_num_batched_tokens=step_tokens,
            max_model_len=longest,
            enable_chunked_prefill=True,
            is_encoder_decoder=False,
            async_scheduling=asynchronous,
            policy=policy,
        ),
        model_config=ModelConfig(
            model=model, dtype="float32", seed=1, skip_tokenizer_init=True, max_model_len=longest
        ),
        cache_config=cache,
        device_config=DeviceConfig("cpu"),
        kv_transfer_config=_connector(connector),
        additional_config={"treadle": {"policy": TIMED_HOLDING}} if connector else {},
    )
    config.cache_config.num_gpu_blocks = blocks
    # The CPU platform turns it off, and the scheduler does not care what runs its steps.
    config.scheduler_config.async_scheduling = asynchronous
    return config

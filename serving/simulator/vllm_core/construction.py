# pyright: reportMissingImports=false
"""vLLM's scheduler, built as its engine builds it, but for a model that is not there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from vllm.config import CacheConfig, DeviceConfig, ModelConfig, SchedulerConfig, VllmConfig
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
from vllm.v1.structured_output import StructuredOutputManager

from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.vllm_core.model_folder import LONGEST_CONTEXT, write_model_folder


def build_configuration(hardware: Hardware, *, asynchronous: bool = False) -> VllmConfig:
    """vLLM's configuration for `hardware`, with vLLM's defaults for all that it does not say.

    asynchronous: whether a step is scheduled before the one before it has ended.
    """
    with tempfile.TemporaryDirectory(prefix="treadle-model-") as folder:
        write_model_folder(Path(folder), hardware.layers, hardware.width)
        model = ModelConfig(
            model=folder,
            tokenizer=folder,
            skip_tokenizer_init=True,
            max_model_len=LONGEST_CONTEXT,
            dtype="bfloat16",
            seed=0,
        )
        scheduling = SchedulerConfig(
            max_num_seqs=hardware.max_running,
            max_num_batched_tokens=hardware.step_tokens,
            max_model_len=LONGEST_CONTEXT,
            is_encoder_decoder=False,
            enable_chunked_prefill=True,
            async_scheduling=asynchronous,
        )
        cache = CacheConfig(block_size=hardware.block_tokens, enable_prefix_caching=True)
        configuration = VllmConfig(
            model_config=model,
            scheduler_config=scheduling,
            cache_config=cache,
            # Not what this build of vLLM is for: its scheduler needs no device.
            device_config=DeviceConfig("cpu"),
        )
    # vLLM turns it off where there is no GPU; there is none here, and none is needed.
    configuration.scheduler_config.async_scheduling = asynchronous
    return configuration


def build_scheduler(
    configuration: VllmConfig, hardware: Hardware, kind: Callable[..., Scheduler]
) -> Scheduler:
    """A scheduler of this kind (a class, or what stands in for one), with `hardware`'s pool."""
    block = hardware.block_tokens
    # vLLM gives out one block less than it has: block 0 stands for none.
    blocks = hardware.pool_tokens // block + 1
    configuration.cache_config.num_gpu_blocks = blocks
    attention = FullAttentionSpec(
        block_size=block, num_kv_heads=8, head_size=128, dtype=configuration.model_config.dtype
    )
    cache = KVCacheConfig(
        num_blocks=blocks,
        kv_cache_tensors=[],
        kv_cache_groups=[KVCacheGroupSpec(["layer"], attention)],
    )
    return kind(
        vllm_config=configuration,
        kv_cache_config=cache,
        structured_output_manager=StructuredOutputManager(configuration),
        block_size=block,
        log_stats=False,
    )

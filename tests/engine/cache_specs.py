# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""What layers keep in the KV cache of a scheduler without a model."""

from __future__ import annotations

import warnings

from tests.engine.scheduler_config import BLOCK

with warnings.catch_warnings():
    # As in `scheduler_harness`.
    warnings.simplefilter("ignore")
    import torch
    from vllm.v1.kv_cache_interface import (
        FullAttentionSpec,
        KVCacheSpec,
        MambaSpec,
        SlidingWindowSpec,
    )


def full_attention() -> KVCacheSpec:
    """Every token is kept."""
    return FullAttentionSpec(block_size=BLOCK, num_kv_heads=1, head_size=8, dtype=torch.float32)


def sliding_window(tokens: int = 4 * BLOCK) -> KVCacheSpec:
    """The last `tokens` are kept."""
    return SlidingWindowSpec(
        block_size=BLOCK, num_kv_heads=1, head_size=8, dtype=torch.float32, sliding_window=tokens
    )


def mamba() -> KVCacheSpec:
    """A state, in place of keys and values."""
    # The only mode of 0.33; 0.32 has it too.
    return MambaSpec(
        block_size=BLOCK, shapes=((8,),), dtypes=(torch.float32,), mamba_cache_mode="align"
    )

# pyright: reportMissingImports=false
"""Which kinds of KV cache can be held by a reference to their blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm.v1.core.single_type_kv_cache_manager import (
    ChunkedLocalAttentionManager,
    FullAttentionManager,
    SlidingWindowManager,
)

if TYPE_CHECKING:
    from vllm.v1.core.kv_cache_manager import KVCacheManager

_HELD = (FullAttentionManager, SlidingWindowManager, ChunkedLocalAttentionManager)


def why_not_pinned(manager: KVCacheManager) -> str:
    """Why KV of this engine cannot be held; "" where it can.

    Blocks of full, sliding-window and chunked attention stay what they are once they are full, and
    a reference keeps them. States of Mamba layers are moved and copied by their manager, and some
    kinds live in pools of their own: with such a group nothing is held, for a prefix of which one
    group is missing is no hit.
    """
    if not manager.enable_caching:
        return "prefix caching is off"
    groups = manager.coordinator.single_type_managers
    if not groups:
        return "the model has no KV cache"
    for each in groups:
        if type(each) not in _HELD:
            return f"a group of layers is managed by {type(each).__name__}"
        if each.block_pool is not manager.block_pool:
            return "a group of layers has a pool of its own"
    return ""

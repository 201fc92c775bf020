# pyright: reportMissingImports=false
"""Which vLLM the plugin runs on, and the contract behind that: what it relies on in vLLM."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module

from treadle.core.errors import ConfigError

SUPPORTED = "0.32 and 0.33"
"""In words, for messages and the docs."""

_FIRST, _BEFORE = (0, 32), (0, 34)

_SCHEDULER = "vllm.v1.core.sched.scheduler:Scheduler"
_QUEUE = "vllm.v1.core.sched.request_queue:RequestQueue"
_MANAGER = "vllm.v1.core.kv_cache_manager:KVCacheManager"
_CONNECTOR = "vllm.distributed.kv_transfer.kv_connector.v1.base:KVConnectorBase_V1"
_POOL = "vllm.v1.core.block_pool:BlockPool"
_FREE_QUEUE = "vllm.v1.core.kv_cache_utils:FreeKVCacheBlockQueue"

CONTRACT: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (_SCHEDULER, "__init__", ("vllm_config", "kv_cache_config", "structured_output_manager")),
    (_SCHEDULER, "schedule", ()),
    (_SCHEDULER, "update_from_output", ("scheduler_output", "model_runner_output")),
    (_SCHEDULER, "add_request", ("request",)),
    (_SCHEDULER, "has_requests", ()),
    (_SCHEDULER, "reset_prefix_cache", ()),
    (_SCHEDULER, "shutdown", ()),
    (_SCHEDULER, "_free_request", ("request",)),
    (_SCHEDULER, "_preempt_request", ("request",)),
    (_SCHEDULER, "finish_requests", ("request_ids", "finished_status")),
    (_SCHEDULER, "_handle_blocked_waiting_request", ("request",)),
    (_SCHEDULER, "_inflight_prefill_reserved_blocks", ()),
    ("vllm.v1.core.sched.async_scheduler:AsyncScheduler", "_update_after_schedule", ()),
    (_QUEUE, "add_request", ("request",)),
    (_QUEUE, "pop_request", ()),
    (_QUEUE, "peek_request", ()),
    (_QUEUE, "prepend_request", ("request",)),
    (_QUEUE, "prepend_requests", ("requests",)),
    (_QUEUE, "remove_request", ("request",)),
    (_QUEUE, "remove_requests", ("requests",)),
    (
        _MANAGER,
        "allocate_slots",
        (
            "request",
            "num_new_tokens",
            "num_new_computed_tokens",
            "new_computed_blocks",
            "num_lookahead_tokens",
            "num_external_computed_tokens",
            "delay_cache_blocks",
            "skip_zeroing_group_ids",
            "full_sequence_must_fit",
            "reserved_blocks",
            "has_scheduled_reqs",
        ),
    ),
    (_MANAGER, "get_blocks", ("request_id",)),
    (_MANAGER, "get_computed_blocks", ("request",)),
    (_CONNECTOR, "on_new_request", ("request",)),
    (_CONNECTOR, "get_num_new_matched_tokens", ("request", "num_computed_tokens")),
    (_CONNECTOR, "update_state_after_alloc", ("request", "blocks", "num_external_tokens")),
    (_CONNECTOR, "get_loaded_kv_cache_group_ids", ("request",)),
    (_POOL, "touch", ("blocks",)),
    (_POOL, "free_blocks", ("ordered_blocks",)),
    (_POOL, "get_num_free_blocks", ()),
    (_FREE_QUEUE, "remove", ("block",)),
    (_FREE_QUEUE, "prepend_n", ("blocks",)),
)
"""Class, method, and the parameters that are used of it."""

NAMES: tuple[tuple[str, str], ...] = (
    ("vllm.v1.core.sched.interface:PauseState", "UNPAUSED"),
    ("vllm.v1.core.sched.request_queue:SchedulingPolicy", "PRIORITY"),
    ("vllm.v1.engine:EngineCoreRequestType", "WAKEUP"),
    ("vllm.v1.request:RequestStatus", "FINISHED_REPETITION"),
    ("vllm.v1.request:RequestStatus", "WAITING_FOR_REMOTE_KVS"),
    ("vllm.v1.core.single_type_kv_cache_manager:FullAttentionManager", "find_longest_cache_hit"),
    ("vllm.v1.core.single_type_kv_cache_manager:SlidingWindowManager", "find_longest_cache_hit"),
)
"""Class, and a name that it must have."""


def check_version(version: str) -> None:
    """Raises ConfigError (`engine_version`) where `version` of vLLM is not supported."""
    numbers = re.match(r"(\d+)\.(\d+)(?!\d)", version)
    found = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if not _FIRST <= found < _BEFORE:
        raise ConfigError(
            "engine_version",
            f"Treadle's scheduler is made for vLLM {SUPPORTED}, and this is {version[:40]}: "
            f"install vllm>=0.32,<0.34, or run the engine without --scheduler-cls",
        )


def check_contract() -> None:
    """Raises ConfigError (`engine_contract`) where vLLM lacks what the plugin relies on.

    Releases of the supported range have all of it; a fork, a patch or a nightly build may not.
    """
    lacking = list(_lacking())
    if lacking:
        raise ConfigError(
            "engine_contract",
            f"this vLLM lacks what Treadle's scheduler relies on ({'; '.join(lacking)[:300]}): "
            f"install an unmodified vllm>=0.32,<0.34",
        )


def _lacking() -> Iterator[str]:
    for place, name, parameters in CONTRACT:
        found = getattr(_resolve(place), name, None)
        if not callable(found):
            yield f"{place}.{name}"
            continue
        known = inspect.signature(found).parameters
        yield from (f"{place}.{name}({each})" for each in parameters if each not in known)
    for place, name in NAMES:
        if not hasattr(_resolve(place), name):
            yield f"{place}.{name}"


def _resolve(place: str) -> object:
    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name, None)
    except ImportError:
        return None

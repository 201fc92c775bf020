# pyright: reportMissingImports=false
"""Loads from a slower tier that no request asked for, through the connector that vLLM has for it.

To vLLM's scheduler such a load is a request whose KV is on its way (WAITING_FOR_REMOTE_KVS). It
ends when that is there, before anything would be computed for it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

from vllm.sampling_params import SamplingParams
from vllm.v1.request import Request, RequestStatus

from treadle.serving.vllm_plugin.pins import Groups
from treadle.serving.vllm_plugin.prefetcher import TierLoad

if TYPE_CHECKING:
    from vllm.v1.core.sched.scheduler import Scheduler

_log = logging.getLogger("treadle.serving.engine")

PREFIX = "treadle-prefetch-"
"""Of the ids of such requests."""


class TierLoads:
    """A `TierLoader` of vLLM's scheduler.

    For models with one kind of layers, and connectors that load while others compute.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._numbers = count()
        self._works = len(scheduler.kv_cache_config.kv_cache_groups) == 1

    @property
    def hash_tokens(self) -> int:
        """Tokens that one name stands for."""
        return int(self._scheduler.hash_block_size)

    def begin(self, names: Sequence[bytes]) -> TierLoad | None:
        """Begin to load what of these blocks is not in the pool; None where nothing is to be had
        now, or there is no room."""
        scheduler = self._scheduler
        connector = scheduler.connector
        if connector is None or not names or not self._works:
            return None
        request = self._request(names)
        scheduler.requests[request.request_id] = request
        connector.on_new_request(request)
        found, cached = scheduler.kv_cache_manager.get_computed_blocks(request)[:2]
        tokens, later = connector.get_num_new_matched_tokens(request, cached)
        if tokens and not later:
            _log.warning(
                "%s loads while the engine waits: nothing is loaded before it is asked for",
                type(connector).__name__,
            )
            self._works = False
        if tokens is None or not self._works or not cached + tokens:
            self._give_up(request)
            return None
        blocks = scheduler.kv_cache_manager.allocate_slots(
            request,
            0,
            num_new_computed_tokens=cached,
            new_computed_blocks=found,
            num_external_computed_tokens=tokens,
            delay_cache_blocks=True,
            skip_zeroing_group_ids=connector.get_loaded_kv_cache_group_ids(request),
            reserved_blocks=scheduler._inflight_prefill_reserved_blocks(),
            has_scheduled_reqs=bool(scheduler.running),
        )
        if blocks is None:
            self._give_up(request)
            return None
        own = scheduler.kv_cache_manager.get_blocks(request.request_id)
        connector.update_state_after_alloc(request, own, tokens)
        request.num_computed_tokens = cached + tokens
        request.status = RequestStatus.WAITING_FOR_REMOTE_KVS
        scheduler.kv_holding_waiting.add_request(request)
        if not tokens:
            # Nothing is on the way: it is there.
            scheduler.finished_recving_kv_req_ids.add(request.request_id)
        return TierLoad(request.request_id, tokens)

    def landed(self, load: TierLoad) -> Groups | None:
        """The blocks of a load that has ended; None while it is under way."""
        scheduler = self._scheduler
        request = scheduler.requests[load.request_id]
        if not scheduler._handle_blocked_waiting_request(request):
            return None
        blocks: Groups = scheduler.kv_cache_manager.get_blocks(load.request_id).blocks
        return blocks

    def end(self, load: TierLoad) -> None:
        """Let go of its blocks."""
        self._scheduler.finish_requests(load.request_id, RequestStatus.FINISHED_ABORTED)

    def _request(self, names: Sequence[bytes]) -> Request:
        # One token more than is named: vLLM always leaves the last one to be computed.
        return Request(
            request_id=f"{PREFIX}{next(self._numbers)}",
            prompt_token_ids=[0] * (len(names) * self.hash_tokens + 1),
            sampling_params=SamplingParams(max_tokens=1),
            pooling_params=None,
            block_hasher=lambda request: list(names[len(request.block_hashes) :]),
        )

    def _give_up(self, request: Request) -> None:
        request.status = RequestStatus.FINISHED_ABORTED
        self._scheduler._free_request(request)

# pyright: reportMissingImports=false
"""Holding KV by a KV connector alone: for engines whose scheduler class may not be replaced.

    vllm serve MODEL --kv-transfer-config '{"kv_connector": "ProgramConnector", "kv_role":
    "kv_producer", "kv_connector_module_path": "treadle.serving.vllm_plugin.connector"}'

It holds what the policy wants held, takes over, expires and gives way under pressure as the
scheduler does. What it cannot do: order and admit what waits (that stays vLLM's), end a program by
a control call, and report metrics. It moves no KV anywhere.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import vllm
from vllm.distributed.kv_transfer.kv_connector.v1.base import (
    KVConnectorBase_V1,
    KVConnectorMetadata,
    KVConnectorRole,
    SupportsHMA,
)

from treadle.serving.vllm_plugin.policy_choice import choose_policy
from treadle.serving.vllm_plugin.program_desk import ProgramDesk
from treadle.serving.vllm_plugin.settings import engine_settings
from treadle.serving.vllm_plugin.tier_rate import TierRate
from treadle.serving.vllm_plugin.versions import check_contract, check_version

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.v1.core.kv_cache_manager import KVCacheBlocks, KVCacheManager
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.kv_cache_interface import KVCacheConfig
    from vllm.v1.request import Request

check_version(vllm.__version__)
check_contract()


class ProgramConnector(KVConnectorBase_V1, SupportsHMA):
    """See the module's text. The half in the workers does nothing.

    Raises ConfigError (`engine_setting`, `engine_policy`).
    """

    def __init__(
        self, vllm_config: VllmConfig, role: KVConnectorRole, kv_cache_config: KVCacheConfig
    ) -> None:
        super().__init__(vllm_config, role, kv_cache_config)
        self.desk: ProgramDesk | None = None
        if role == KVConnectorRole.SCHEDULER:
            self._settings = engine_settings(vllm_config.additional_config, os.environ)
            self._policy = choose_policy(self._settings.policy)

    # -- in the scheduler ------------------------------------------------------------------------

    def bind_kv_cache_manager(self, kv_cache_manager: KVCacheManager) -> None:
        """vLLM hands over its KV cache, once."""
        super().bind_kv_cache_manager(kv_cache_manager)
        tier = TierRate(self._settings.reload_rate)
        self.desk = desk = ProgramDesk(
            kv_cache_manager, self._policy, self._settings, tier, time.monotonic, None
        )
        stock_reset = kv_cache_manager.reset_prefix_cache

        def reset_prefix_cache() -> bool:
            desk.forget_all()
            return bool(stock_reset())

        # vLLM asks a connector to reset only after it has reset its own, which fails for holds.
        kv_cache_manager.reset_prefix_cache = reset_prefix_cache

    def on_new_request(self, request: Request) -> None:
        """A request came in."""
        self._bound().arrived(request)

    def get_num_new_matched_tokens(
        self, request: Request, num_computed_tokens: int
    ) -> tuple[int | None, bool]:
        """There is no KV anywhere else."""
        return 0, False

    def update_state_after_alloc(
        self, request: Request, blocks: KVCacheBlocks, num_external_tokens: int
    ) -> None:
        """The desk has seen it already."""

    def build_connector_meta(self, scheduler_output: SchedulerOutput) -> KVConnectorMetadata:
        """At the end of each pass; there is nothing to tell the workers."""
        desk = self._bound()
        for request_id in scheduler_output.preempted_req_ids or ():
            desk.preempted(request_id)
        desk.expire()
        return KVConnectorMetadata()

    def request_finished(
        self, request: Request, block_ids: list[int]
    ) -> tuple[bool, dict[str, Any] | None]:
        """A request ended; its blocks are vLLM's to free, and those that are held stay."""
        self._bound().left(request)
        return False, None

    def request_finished_all_groups(
        self, request: Request, block_ids: tuple[list[int], ...]
    ) -> tuple[bool, dict[str, Any] | None]:
        """The same, for models with several kinds of layers."""
        return self.request_finished(request, [])

    def has_pending_push_work(self) -> bool:
        """Never; but an engine without requests comes by here."""
        if self.desk is not None:
            self.desk.expire_if_due()
        return False

    def _bound(self) -> ProgramDesk:
        if self.desk is None:
            raise RuntimeError("vLLM has not handed its KV cache to the connector")
        return self.desk

    # -- in the workers --------------------------------------------------------------------------

    def start_load_kv(self, forward_context: object, **kwargs: object) -> None:
        """Nothing to load."""

    def wait_for_layer_load(self, layer_name: str) -> None:
        """Nothing to wait for."""

    def save_kv_layer(
        self, layer_name: str, kv_layer: object, attn_metadata: object, **kwargs: object
    ) -> None:
        """Nothing to save."""

    def wait_for_save(self) -> None:
        """Nothing to wait for."""

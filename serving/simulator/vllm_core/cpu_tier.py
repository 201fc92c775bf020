# pyright: reportMissingImports=false
"""A KV connector for a CPU tier that is not there: it moves no KV, and says when it would be there.

vLLM's own connector for this needs workers. What its scheduler sees of it is modelled here: what
a call has computed is stored when it ends; what a prompt lacks on the GPU and the tier has is
loaded, asynchronously, one load after the other, while the call waits and holds its blocks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.outputs import KVConnectorOutput, ModelRunnerOutput

from treadle.serving.simulator.hardware import Hardware


class StoredRequest(Protocol):
    """What the tier needs of vLLM's request."""

    request_id: str
    block_hashes: Sequence[bytes]
    num_computed_tokens: int

    @property
    def num_tokens(self) -> int:
        """Prompt and output so far."""
        ...


class CpuTier:
    """Stands where the scheduler keeps its connector; has the methods that are called there.

    clock: the simulation's. reload_rate: tokens a second.
    """

    supports_divergent_local_hybrid_hits = False

    def __init__(self, hardware: Hardware, reload_rate: float, clock: Callable[[], float]) -> None:
        self._block_tokens = hardware.block_tokens
        self._most = hardware.cpu_tokens // hardware.block_tokens
        self._rate = reload_rate
        self._clock = clock
        self._stored: OrderedDict[bytes, None] = OrderedDict()
        self._link_free = 0.0
        self._loads: dict[str, float] = {}
        self._coming: dict[str, set[bytes]] = {}
        self.reloaded = 0

    @property
    def next_landing(self) -> float | None:
        """When the next load ends; None where none is under way."""
        return min(self._loads.values(), default=None)

    def landed(self) -> ModelRunnerOutput | None:
        """What workers would report of the loads that have ended by now; None for none."""
        now = self._clock()
        ready = {call_id for call_id, at in self._loads.items() if at <= now}
        if not ready:
            return None
        for call_id in ready:
            del self._loads[call_id], self._coming[call_id]
        return ModelRunnerOutput(
            [], {}, kv_connector_output=KVConnectorOutput(finished_recving=ready)
        )

    # -- what the scheduler calls -----------------------------------------------------------------

    def get_num_new_matched_tokens(
        self, request: StoredRequest, num_computed_tokens: int
    ) -> tuple[int | None, bool]:
        """Tokens that can be loaded after those that are there, and whether that takes steps; None
        while some of them are coming for another call."""
        first = num_computed_tokens // self._block_tokens
        # The last token of a prompt is always computed: something has to be.
        most = (request.num_tokens - 1) // self._block_tokens
        found = 0
        for name in request.block_hashes[first:most]:
            if name not in self._stored:
                break
            if any(name in coming for coming in self._coming.values()):
                return None, False
            found += 1
        return found * self._block_tokens, found > 0

    def update_state_after_alloc(
        self, request: StoredRequest, blocks: object, num_external_tokens: int
    ) -> None:
        """`request` has its blocks: the load begins, behind those that are under way."""
        self._use(request.block_hashes[: (request.num_tokens - 1) // self._block_tokens])
        if num_external_tokens:
            self._link_free = max(self._clock(), self._link_free)
            self._link_free += num_external_tokens / self._rate
            self._loads[request.request_id] = self._link_free
            self._coming[request.request_id] = set(request.block_hashes)
            self.reloaded += num_external_tokens

    def request_finished(self, request: StoredRequest, block_ids: object) -> tuple[bool, None]:
        """Store what it has computed; its blocks need not wait for that."""
        tokens = min(request.num_computed_tokens, request.num_tokens - 1)
        names = request.block_hashes[: tokens // self._block_tokens]
        self._stored.update(dict.fromkeys(names))
        self._use(names)
        while len(self._stored) > self._most:
            self._stored.popitem(last=False)
        return False, None

    def _use(self, names: Sequence[bytes]) -> None:
        # The end of a context goes first, as on the GPU.
        for name in reversed(names):
            if name in self._stored:
                self._stored.move_to_end(name)

    def get_loaded_kv_cache_group_ids(self, request: StoredRequest) -> tuple[int, ...]:
        """There is one group of layers."""
        return (0,)

    def on_new_request(self, request: StoredRequest) -> None:
        """A request came."""

    def build_connector_meta(self, scheduler_output: SchedulerOutput) -> None:
        """There are no workers to tell anything."""

    def update_connector_output(self, connector_output: KVConnectorOutput) -> None:
        """It made that output itself."""

    def has_pending_block_frees(self) -> bool:
        """No blocks are kept back."""
        return False

    def has_pending_push_work(self) -> bool:
        """Nothing is sent to others."""
        return False

    def get_kv_connector_stats(self) -> None:
        """None are kept."""

    def take_events(self) -> tuple[()]:
        """There are none."""
        return ()

    def reset_cache(self) -> bool:
        """Forget everything."""
        self._stored.clear()
        return True

    def shutdown(self) -> None:
        """There is nothing to stop."""

# pyright: reportMissingImports=false
"""Where vLLM's requests and a policy meet: what vLLM's scheduler and its connectors both can do.

A desk hears of each request when it comes, starts and ends, holds what the policy wants held, and
stands in front of the one method by which vLLM gives out blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vllm.v1.request import RequestStatus

from treadle.serving.policy.contract import BranchKey, Outcome, Pool, SchedulingPolicy
from treadle.serving.vllm_plugin.block_owners import BlockOwners
from treadle.serving.vllm_plugin.cache_kinds import why_not_pinned
from treadle.serving.vllm_plugin.call_ledger import CallLedger, LiveCall
from treadle.serving.vllm_plugin.counters import ProgramCounters
from treadle.serving.vllm_plugin.holdings import Holdings
from treadle.serving.vllm_plugin.idle_waker import IdleWaker
from treadle.serving.vllm_plugin.pins import Groups, HeldContext, PinTable
from treadle.serving.vllm_plugin.pool_view import PoolView
from treadle.serving.vllm_plugin.prefetcher import Prefetcher, TierLoader
from treadle.serving.vllm_plugin.program_table import ProgramTable
from treadle.serving.vllm_plugin.settings import EngineSettings
from treadle.serving.vllm_plugin.tier_rate import TierRate
from treadle.serving.vllm_plugin.valve import PressureValve

if TYPE_CHECKING:
    from vllm.v1.core.kv_cache_manager import KVCacheBlocks, KVCacheManager
    from vllm.v1.request import Request

_COMPLETED = frozenset(
    {
        RequestStatus.FINISHED_STOPPED,
        RequestStatus.FINISHED_LENGTH_CAPPED,
        RequestStatus.FINISHED_REPETITION,
    }
)


class ProgramDesk:
    """One engine's.

    manager: vLLM's KV cache; its `allocate_slots` leads through this desk from now on.
    tier: where else there may be KV. waker: as in `Holdings`.

    `now` is the time of what is going on: of the pass, or of the last event.
    """

    def __init__(
        self,
        manager: KVCacheManager,
        policy: SchedulingPolicy,
        settings: EngineSettings,
        tier: TierRate,
        clock: Callable[[], float],
        waker: IdleWaker | None,
    ) -> None:
        self.policy = policy
        self.now = clock()
        self.calls = CallLedger()
        self.programs = ProgramTable(settings.patience_seconds)
        self._tier = tier
        self._manager = manager
        self._clock = clock
        groups = manager.coordinator.single_type_managers
        block_tokens = groups[0].block_size if groups else 1
        most = int((manager.block_pool.num_gpu_blocks - 1) * settings.max_pinned_share)
        pins = PinTable(manager.block_pool, block_tokens, most)
        self._owners = BlockOwners(manager.block_pool)
        self.prefetcher: Prefetcher | None = None
        self.holdings = Holdings(
            pins,
            waker,
            why_not_pinned(manager),
            self._lost,
            demoted=lambda pin: self._demoted(pin.key, pin.origin),
            next_prefetch=lambda: self.next_prefetch,
        )
        self._valve = PressureValve(policy, self.holdings, self.programs)
        self._pool_view = PoolView(manager.block_pool, pins, block_tokens, len(groups), tier)
        # 0.32 asks this one method for every block that it gives to a request.
        self._stock_allocate = manager.allocate_slots
        manager.allocate_slots = self._allocate_slots

    def prefetch_with(self, loader: TierLoader) -> None:
        """Bring back what a slower tier has before it is asked for, by `loader`."""
        self.prefetcher = Prefetcher(
            self.policy, loader, self.holdings, self._tier, self.calls, self.pool
        )

    @property
    def busy(self) -> bool:
        """Whether there is anything that a policy could decide about."""
        return bool(self.calls.hinted or self.holdings.pins)

    def tick(self) -> float:
        """The time moves on; returns it."""
        self.now = self._clock()
        return self.now

    def pool(self) -> Pool:
        """As the policy sees it. Calls that are loading count as running: they have their KV."""
        return self._pool_view.pool(self.calls.running, self.calls.waiting)

    def _lost(self, key: BranchKey) -> None:
        self.policy.lost(*key, self.now)

    # -- control ---------------------------------------------------------------------------------

    def end_program(self, program_id: str) -> int:
        """The program is over; see `ProgramControl`."""
        now = self.tick()
        pins = self.holdings.pins.of_program(program_id)
        for pin in pins:
            self._give_up(program_id, None, pin.groups)
        freed = self.holdings.end(pins, "program_releases")
        if self.programs.end(program_id):
            self.holdings.tally["ended_programs"] += 1
            self._ended(program_id, now)
        return freed

    def _ended(self, program_id: str, now: float) -> None:
        self.policy.ended(program_id, now)
        if self.prefetcher is not None:
            self.prefetcher.ended(program_id)

    def counters(self) -> ProgramCounters:
        """The counts so far; see `ProgramControl`."""
        return ProgramCounters(
            **self.holdings.tally,
            malformed_hints=self.calls.malformed_hints,
            live_programs=len(self.programs),
            held=len(self.holdings.pins),
            pinned_blocks=self.holdings.pins.blocks,
            pool_blocks=self._pool_view.blocks,
        )

    def expire(self) -> bool:
        """Let go of what has run out, and give up programs of which nothing is heard; whether
        any block may have become free by that."""
        now = self.tick()
        expired = self.holdings.expire(now, self.calls.awaits)
        while (forsaken := self.programs.forsaken(now)) is not None:
            pins = self.holdings.pins.of_program(forsaken)
            expired = bool(self.holdings.end(pins, "expiries")) or expired
            self.programs.end(forsaken)
            self.holdings.tally["abandoned_programs"] += 1
            self._ended(forsaken, now)
        return expired

    def expire_if_due(self) -> bool:
        """The same where a hold has run out; next to free where none has."""
        pins = self.holdings.pins
        return bool(pins) and pins.deadline <= self._clock() and self.expire()

    @property
    def next_prefetch(self) -> float:
        """When to ask next what to bring back from a slower tier; infinity for not at all."""
        return math.inf if self.prefetcher is None else self.prefetcher.next

    def prefetch_due(self) -> bool:
        """Whether there is something to bring back from a slower tier; next to free mostly."""
        if self.prefetcher is None or self.next_prefetch > self._clock():
            return False
        return self.prefetcher.ask(self.tick())

    def prefetch(self, *, begin: bool) -> None:
        """Hold what has come from there, and begin to bring back what the policy wants."""
        if self.prefetcher is not None:
            self.prefetcher.land(self.now)
            if begin:
                self.prefetcher.begin(self.now)

    def forget_all(self) -> None:
        """The prefix cache is to be reset: what is held is what is to be forgotten."""
        self.holdings.end(list(self.holdings.pins), "reset_releases")
        self._owners.forget_all()

    # -- a request's life ------------------------------------------------------------------------

    def arrived(self, request: Request) -> None:
        """A request came in."""
        now = self.tick()
        call = self.calls.arrive(request, now).call
        if call.program_id:
            self.programs.arrived(call.program_id, now)
            if self.prefetcher is not None:
                self.prefetcher.arrived((call.program_id, call.branch))
        self.policy.arrived(call, now)

    def preempted(self, request_id: str) -> None:
        """A request lost its blocks, and waits again."""
        live = self.calls.get(request_id)
        if live is not None and live.running:
            self._landed(live)
            self.calls.preempt(live)
            self.holdings.changes += 1
            self.policy.preempted(live.call, self.now)

    def left(self, request: Request) -> None:
        """A request ended, in whatever way; to be called before its blocks are freed: those that
        are to be held never are."""
        if self.prefetcher is not None:
            self.prefetcher.left(request.request_id, self.now)
        live = self.calls.leave(request.request_id)
        if live is not None:
            self.tick()
            self._landed(live)
            self._close(live, request)

    def _landed(self, live: LiveCall) -> None:
        """Nothing of it is on the way any more."""
        if live.loading:
            self.calls.load(live, loading=False)
            self._tier.ended(self.now)

    def _allocate_slots(
        self, request: Request, num_new_tokens: int, *args: Any, **options: Any
    ) -> KVCacheBlocks | None:
        """vLLM's, with the valve around it: where there is no room, holds are let go."""
        live = self.calls.get(request.request_id)
        if live is None:
            return self._stock_allocate(request, num_new_tokens, *args, **options)
        if live.running:
            # By far the most frequent: a running call decodes.
            if live.loading:
                # vLLM asks again only when what was loading is there.
                self._landed(live)
            blocks = self._stock_allocate(request, num_new_tokens, *args, **options)
            if blocks is not None or not self.holdings.pins:
                return blocks
        return self._allocate_or_make_room(live, request, num_new_tokens, *args, **options)

    def _allocate_or_make_room(
        self,
        live: LiveCall,
        request: Request,
        num_new_tokens: int,
        num_new_computed_tokens: int = 0,
        new_computed_blocks: KVCacheBlocks | None = None,
        num_lookahead_tokens: int = 0,
        num_external_computed_tokens: int = 0,
        **options: Any,
    ) -> KVCacheBlocks | None:
        pins = self.holdings.pins
        alone = 0
        if not live.running and pins and new_computed_blocks is not None:
            alone = pins.held_alone(new_computed_blocks.blocks[0])

        def allocate() -> KVCacheBlocks | None:
            return self._stock_allocate(
                request,
                num_new_tokens,
                num_new_computed_tokens,
                new_computed_blocks,
                num_lookahead_tokens,
                num_external_computed_tokens,
                **options,
            )

        blocks = allocate()
        cached = num_new_computed_tokens + num_external_computed_tokens
        if blocks is None and pins:
            tokens = request.num_computed_tokens + cached + num_new_tokens + num_lookahead_tokens
            if options.get("full_sequence_must_fit"):
                tokens = max(tokens, request.num_tokens)
            blocks = self._valve.open(
                live.call,
                lambda: self._missing(request, tokens, new_computed_blocks, options),
                self.pool,
                self.now,
                # It would be preempted, or nothing runs that would ever make room for it.
                must=request.status == RequestStatus.RUNNING
                or not (options.get("has_scheduled_reqs", True) or self.calls.loading),
                allocate=allocate,
            )
        if blocks is not None and not live.running:
            if new_computed_blocks is not None:
                self._owners.hit(live.key, new_computed_blocks.blocks)
            self._started(live, request, cached, alone)
            if options.get("delay_cache_blocks"):
                self.calls.load(live, loading=True)
                self._tier.began(num_external_computed_tokens, self.now)
        return blocks

    def _missing(
        self,
        request: Request,
        tokens: int,
        found: KVCacheBlocks | None,
        options: dict[str, object],
    ) -> int:
        """Tokens for which there is no room; `options` as for vLLM's `allocate_slots`."""
        manager = self._manager
        own = manager.get_blocks(request.request_id).blocks
        if found is not None and not any(own):
            own = found.blocks
        reserved = options.get("reserved_blocks", 0)
        reserved = reserved if isinstance(reserved, int) else 0
        if request.status != RequestStatus.RUNNING and options.get("has_scheduled_reqs", True):
            reserved += manager.watermark_blocks
        return self._pool_view.missing_tokens(tokens, own, reserved)

    def _started(self, live: LiveCall, request: Request, cached: int, alone: int) -> None:
        self.calls.start(live)
        tally, pins = self.holdings.tally, self.holdings.pins
        tally["prompt_tokens"] += request.num_tokens
        tally["saved_prefill_tokens"] += alone * pins.block_tokens
        self.policy.started(live.call, cached, self.now)
        if live.call.program_id and pins:
            groups = self._manager.get_blocks(request.request_id).blocks
            self.holdings.take_over(live.key, groups)

    def _close(self, live: LiveCall, request: Request) -> None:
        """A call ended, in whatever way."""
        now, call = self.now, live.call
        self.holdings.changes += 1
        over = live.metadata.last_call
        if call.program_id:
            record = self.programs.left(call.program_id, now)
            over = over or record.over
        if not self._completed(live, request):
            self.policy.aborted(call, now)
            return
        tool = live.metadata.tool
        outcome = Outcome(
            context_tokens=request.num_tokens,
            output_tokens=request.num_output_tokens,
            tools=() if tool is None else (tool,),
            last=over,
        )
        groups = self._manager.get_blocks(request.request_id).blocks
        until = self.policy.finished(call, outcome, self._pool_without(groups), now)
        if not call.program_id:
            return
        self._owners.made(live.key, groups)
        if until == -math.inf:
            program_over = over and not self.programs.calls(call.program_id)
            self._give_up(call.program_id, None if program_over else call.branch, groups)
        if over:
            self._branch_over(live.key)
            return
        origin = HeldContext(self._names(request))
        if until > now:
            self.holdings.begin(live.key, groups, now, until, origin)
        elif until > -math.inf:
            self._demoted(live.key, origin)

    def _names(self, request: Request) -> Sequence[bytes]:
        """What the full blocks that it has computed are found by in a slower tier."""
        if self.prefetcher is None:
            return ()
        computed = min(request.num_computed_tokens, request.num_tokens - 1)
        return self.prefetcher.names(request.block_hashes, computed)

    def _demoted(self, key: BranchKey, origin: HeldContext) -> None:
        if self.prefetcher is not None and origin.names:
            self.prefetcher.demoted(key, origin.names, self.now)

    def _pool_without(self, groups: Groups) -> Pool:
        """As the policy sees it when the blocks of a call that ended are free."""
        leaving = sum(each.ref_cnt == 1 and not each.is_null for group in groups for each in group)
        return self._pool_view.pool(self.calls.running, self.calls.waiting, leaving)

    def _give_up(self, program_id: str, branch: str | None, groups: Groups) -> None:
        """Nobody needs these any more: they are the first to be reused."""
        if not self.holdings.why_not:
            for group in groups:
                self._owners.give_up(program_id, branch, group)

    def _completed(self, live: LiveCall, request: Request) -> bool:
        """Whether it came to its end. vLLM's server aborts a request whose stop string it has
        found, which looks like a client that left: where there are any, it counts as the end."""
        if not live.running:
            return False
        if request.status in _COMPLETED:
            return True
        parameters = request.sampling_params
        return (
            request.status == RequestStatus.FINISHED_ABORTED
            and parameters is not None
            and bool(parameters.stop)
            and request.num_output_tokens > 0
        )

    def _branch_over(self, key: BranchKey) -> None:
        """Its last call finished; with no other call about, so did the program."""
        if self.programs.calls(key[0]):
            pins = self.holdings.pins.of_branch(key)
            for pin in pins:
                self._give_up(*key, pin.groups)
            self.holdings.end(pins, "program_releases")
        elif key[0] in self.programs:
            self.end_program(key[0])

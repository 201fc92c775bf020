# pyright: reportMissingImports=false
"""The simulated engine that is vLLM's own scheduler, with a cost model in place of the GPU."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from vllm.sampling_params import SamplingParams
from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request as EngineRequest

from treadle.serving.simulator.engine import Counts, Progress, Request
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.vllm_core.batch import Batch, Work
from treadle.serving.simulator.vllm_core.cpu_tier import CpuTier
from treadle.serving.simulator.vllm_core.fit import refuse_what_never_fits
from treadle.serving.simulator.vllm_core.program_context import CallContext, ProgramContext
from treadle.serving.simulator.vllm_core.virtual_clock import VirtualClock

_TOKEN = 0
"""Every token there is: see `program_context`."""


@dataclass(slots=True)
class _Call:
    request: Request
    engine_request: EngineRequest
    computed: int = 0  # tokens whose KV is there, or was when it was preempted
    target: int = 0  # tokens to prefill: the prompt, and after a preemption what was generated too
    started: bool = False


class VllmEngine:
    """A SimulatedEngine. Every step goes through vLLM's scheduler; only its length is made up.

    scheduler: vLLM's, or a class that stands in for it.
    ahead: how many steps are scheduled before the first of them has ended: 1, or 2 where vLLM
        schedules asynchronously.
    hints: what a request says of its program, as vLLM's `extra_args`; None for nothing.
    clock: what the scheduler reads the time from, where it does: set before it is called.
    """

    def __init__(
        self,
        hardware: Hardware,
        scheduler: Scheduler,
        *,
        ahead: int = 1,
        hints: Callable[[Request], dict[str, str | float] | None] = lambda _: None,
        clock: VirtualClock | None = None,
    ) -> None:
        self._hardware = hardware
        self._scheduler = scheduler
        self._ahead = ahead
        self._hints = hints
        self._clock = clock if clock is not None else VirtualClock()
        self._tier: CpuTier | None = None
        if hardware.reload_rate is not None:
            self._tier = CpuTier(hardware, hardware.reload_rate, self._clock)
            scheduler.connector = self._tier
        self._calls: dict[str, _Call] = {}
        self._contexts: dict[str, ProgramContext] = {}
        self._numbers = 0
        self._batches: deque[Batch] = deque()
        self.counts = Counts()
        self.last_work = Work()

    @property
    def busy(self) -> bool:
        """Whether any call is in it."""
        return bool(self._calls)

    @property
    def calls(self) -> tuple[int, int]:
        """How many run, and how many wait."""
        running, waiting = self._scheduler.get_request_counts()
        return int(running), int(waiting)

    @property
    def used_tokens(self) -> int:
        """Tokens of the pool in blocks that cannot be had now."""
        pool = self._scheduler.kv_cache_manager.block_pool
        blocks = pool.num_gpu_blocks - 1 - pool.get_num_free_blocks()
        return int(blocks * self._hardware.block_tokens)

    def cached_tokens(self, call_id: str) -> int:
        """How much of a waiting call's prompt would be found in the cache now."""
        request = self._calls[call_id].engine_request
        return int(self._scheduler.kv_cache_manager.get_computed_blocks(request)[1])

    def add(self, request: Request, now: float) -> None:
        call = request.call
        refuse_what_never_fits(request, self._hardware)
        self._clock.now = now
        context = self._context(call.program_id).begin(call.prompt_tokens, request.output_tokens)
        engine_request = EngineRequest(
            request_id=call.call_id,
            prompt_token_ids=[_TOKEN] * call.prompt_tokens,
            sampling_params=SamplingParams(
                max_tokens=request.output_tokens,
                ignore_eos=True,
                detokenize=False,
                extra_args=self._hints(request),
            ),
            pooling_params=None,
            arrival_time=now,
            block_hasher=_hasher(context),
        )
        self._calls[call.call_id] = _Call(request, engine_request)
        self._scheduler.add_request(engine_request)

    def end_program(self, program_id: str, now: float) -> None:
        self._contexts.pop(program_id, None)

    def wake(self, now: float) -> float:
        landing = None if self._tier is None else self._tier.next_landing
        return math.inf if landing is None else max(now, landing)

    def step(self, now: float, horizon: float) -> Progress:
        self._clock.now = now
        while len(self._batches) < self._ahead:
            batch = self._schedule()
            if batch is None:
                break
            self._batches.append(batch)
        if not self._batches:
            return Progress(0.0)
        batch = self._batches.popleft()
        self.last_work = batch.work
        seconds = batch.work.seconds(self._hardware)
        self._clock.now = now + seconds
        self.counts.steps += 1
        return Progress(seconds, self._complete(batch))

    def _context(self, program_id: str) -> ProgramContext:
        context = self._contexts.get(program_id)
        if context is None:
            self._numbers += 1
            context = ProgramContext(self._numbers, self._hardware.block_tokens)
            self._contexts[program_id] = context
        return context

    def _schedule(self) -> Batch | None:
        """Have the next step scheduled; None when there is nothing to do in it."""
        if not self._scheduler.has_requests():
            return None
        self._land()
        scheduled = self._scheduler.schedule()
        self._count_preemptions(scheduled)
        sizes = scheduled.num_scheduled_tokens
        if not sizes:
            # The engine core does so too: connectors hear of steps in which nothing runs.
            self._scheduler.update_from_output(scheduled, ModelRunnerOutput([], {}))
            return None
        work = Work()
        sampled = [self._compute(call_id, size, work) for call_id, size in sizes.items()]
        places = {call_id: place for place, call_id in enumerate(sizes)}
        output = ModelRunnerOutput(list(sizes), places, sampled)
        self.counts.prefilled += work.prefilled
        return Batch(scheduled, output, work)

    def _land(self) -> None:
        """Tell the scheduler of what the CPU tier has loaded by now."""
        if self._tier is None:
            return
        landed = self._tier.landed()
        if landed is not None:
            self._scheduler.update_from_output(SchedulerOutput.make_empty(), landed)
        self.counts.reloaded = self._tier.reloaded

    def _compute(self, call_id: str, size: int, work: Work) -> list[int]:
        """Account for one call in a step; what it generates."""
        call = self._calls[call_id]
        after = call.engine_request.num_computed_tokens
        before = after - size
        if not call.target:
            self._start(call, before)
        if before < call.target:
            work.add_chunk(size, before)
        else:
            work.add_decode(before)
        call.computed = after
        return [] if call.engine_request.is_prefill_chunk else [_TOKEN]

    def _start(self, call: _Call, hit: int) -> None:
        request, counts = call.request, self.counts
        call.target = call.engine_request.num_tokens
        block = self._hardware.block_tokens
        most = (call.target - 1) // block * block
        known = min(most, max(request.reusable_tokens, call.computed))
        counts.recomputed += max(0, known - hit)
        if not call.started:
            call.started = True
            counts.prompt += request.call.prompt_tokens
            counts.hit += hit

    def _count_preemptions(self, scheduled: SchedulerOutput) -> None:
        for call_id in scheduled.preempted_req_ids or ():
            self.counts.preemptions += 1
            self._calls[call_id].target = 0

    def _complete(self, batch: Batch) -> list[Request]:
        """The step has ended; the calls that ended with it."""
        outputs = self._scheduler.update_from_output(batch.scheduled, batch.output)
        finished = []
        for each in outputs.values():
            for output in each.outputs:
                if output.finish_reason is not None:
                    request = self._calls.pop(output.request_id).request
                    self.counts.output += request.output_tokens
                    finished.append(request)
        return finished


def _hasher(context: CallContext) -> Callable[[EngineRequest], list[bytes]]:
    def names(request: EngineRequest) -> list[bytes]:
        return context.between(len(request.block_hashes), request.num_tokens)

    return names

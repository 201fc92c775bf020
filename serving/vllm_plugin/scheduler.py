# pyright: reportMissingImports=false
"""vLLM's scheduler with a program-aware policy in it: order, admission, and KV held for tools."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import vllm
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.diffusion_scheduler import DiffusionAsyncScheduler, DiffusionScheduler
from vllm.v1.core.sched.interface import PauseState
from vllm.v1.core.sched.request_queue import SchedulingPolicy as QueuePolicy
from vllm.v1.core.sched.scheduler import Scheduler

from treadle.serving.policy.contract import SchedulingPolicy
from treadle.serving.vllm_plugin.counters import ProgramCounters
from treadle.serving.vllm_plugin.engine_calls import install as install_engine_calls
from treadle.serving.vllm_plugin.engine_inbox import find_wake
from treadle.serving.vllm_plugin.idle_waker import IdleWaker
from treadle.serving.vllm_plugin.policy_choice import choose_policy
from treadle.serving.vllm_plugin.policy_order import PolicyOrder
from treadle.serving.vllm_plugin.program_desk import ProgramDesk
from treadle.serving.vllm_plugin.settings import EngineSettings, engine_settings
from treadle.serving.vllm_plugin.step_clock import StepClock
from treadle.serving.vllm_plugin.tier_loads import TierLoads
from treadle.serving.vllm_plugin.tier_rate import TierRate, expected_rate
from treadle.serving.vllm_plugin.versions import check_contract, check_version
from treadle.serving.vllm_plugin.waiting_queue import PriorityProgramQueue, ProgramQueue

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.engine import EngineCoreOutputs
    from vllm.v1.outputs import ModelRunnerOutput
    from vllm.v1.request import Request

check_version(vllm.__version__)
check_contract()


class ProgramScheduler(Scheduler):
    """vLLM's scheduler; what it leaves to a policy is asked of one.

    Takes vLLM's own arguments, and three that vLLM does not give: program_policy in place of the
    configured one, engine_clock in place of the monotonic clock, and settings in place of those
    in `additional_config` and the environment.

    Where vLLM schedules asynchronously (its default) an `AsyncProgramScheduler` is made instead.
    While no request in the engine belongs to a program and nothing is held, every decision is
    vLLM's own.

    Raises ConfigError (`engine_setting`, `engine_policy`).
    """

    # None in one that was made without __init__, as vLLM's own tests do.
    _steps: StepClock | None = None

    def __new__(
        cls, vllm_config: VllmConfig | None = None, *args: object, **kwargs: object
    ) -> ProgramScheduler:
        if cls is ProgramScheduler and vllm_config is not None:
            asynchronous = vllm_config.scheduler_config.async_scheduling
            if vllm_config.model_config.is_diffusion:
                cls = AsyncDiffusionProgramScheduler if asynchronous else DiffusionProgramScheduler
            elif asynchronous:
                cls = AsyncProgramScheduler
        return super().__new__(cls)

    def __init__(
        self,
        vllm_config: VllmConfig,
        *args: object,
        program_policy: SchedulingPolicy | None = None,
        engine_clock: Callable[[], float] = time.monotonic,
        settings: EngineSettings | None = None,
        **kwargs: object,
    ) -> None:
        if settings is None:
            settings = engine_settings(vllm_config.additional_config, os.environ)
        if program_policy is None:
            program_policy = choose_policy(settings.policy)
        super().__init__(vllm_config, *args, **kwargs)
        self.program_policy = program_policy
        wake = find_wake()
        waker = None if wake is None else IdleWaker(wake, engine_clock)
        self.desk = ProgramDesk(
            self.kv_cache_manager,
            program_policy,
            settings,
            TierRate(settings.reload_rate, expected_rate(vllm_config, self.kv_cache_config)),
            engine_clock,
            waker,
        )
        self.desk.prefetch_with(TierLoads(self))
        self._steps = StepClock()
        self._usage_to_report = False
        by_priority = self.policy == QueuePolicy.PRIORITY
        order = PolicyOrder(self.desk, by_priority, lambda: len(self.running))
        self.waiting = (PriorityProgramQueue if by_priority else ProgramQueue)(order, engine_clock)
        install_engine_calls()

    # -- vLLM's own methods, in the order in which a request meets them --------------------------

    def add_request(self, request: Request) -> None:
        """As vLLM's; the policy learns of it."""
        # A name that is there already is the next part of a streamed input.
        if request.request_id not in self.requests:
            self.desk.arrived(request)
        super().add_request(request)

    def schedule(self, *args: object, **kwargs: object) -> SchedulerOutput:
        """As vLLM's, with the waiting requests in the policy's order while programs are about."""
        self._usage_to_report = False
        self.desk.expire()
        self.desk.prefetch(begin=self._pause_state == PauseState.UNPAUSED)
        now, programs = self.desk.now, self.desk.busy
        running = len(self.running) + self.num_waiting_for_streaming_input
        # With no slot free nothing can start, and nobody need be asked who should.
        self.waiting.open_pass(programs, slots=running < self.max_num_active_reqs)
        try:
            output = super().schedule(*args, **kwargs)
        finally:
            self.waiting.close_pass()
        if self._steps is not None and programs and output.total_num_scheduled_tokens:
            self._note_step(self._steps, output, now)
        return output

    def update_from_output(
        self, scheduler_output: SchedulerOutput, model_runner_output: ModelRunnerOutput
    ) -> dict[int, EngineCoreOutputs]:
        """As vLLM's; the policy learns how long the step took."""
        if self._steps is not None:
            step = self._steps.ended(scheduler_output, self.desk.tick())
            if step is not None:
                self.program_policy.stepped(
                    step.prefill_tokens, step.decode_tokens, step.context_tokens, step.seconds
                )
        return super().update_from_output(scheduler_output, model_runner_output)

    def has_requests(self) -> bool:
        """As vLLM's; an engine without requests comes by here when a hold runs out.

        One step more is asked for then: it computes nothing and reports the pool's new usage. So
        it is where something is to be brought back from a slower tier.
        """
        if self.desk.expire_if_due():
            self._usage_to_report = self.log_stats
        if super().has_requests():
            return True
        unpaused = self._pause_state == PauseState.UNPAUSED
        return unpaused and (self._usage_to_report or self.desk.prefetch_due())

    def reset_prefix_cache(self, *args: object, **kwargs: object) -> bool:
        """As vLLM's; nothing stays held."""
        self.desk.forget_all()
        return super().reset_prefix_cache(*args, **kwargs)

    def shutdown(self) -> None:
        """As vLLM's."""
        self.desk.holdings.close()
        super().shutdown()

    def _preempt_request(self, request: Request, *args: object, **kwargs: object) -> None:
        super()._preempt_request(request, *args, **kwargs)
        self.desk.preempted(request.request_id)

    def _free_request(
        self, request: Request, *args: object, **kwargs: object
    ) -> tuple[dict[str, object] | None, dict[str, object] | None]:
        self.desk.left(request)
        return super()._free_request(request, *args, **kwargs)

    # -- control ---------------------------------------------------------------------------------

    def end_program(self, program_id: str) -> int:
        """The program is over; see `ProgramControl`."""
        freed = self.desk.end_program(program_id)
        if freed:
            self._usage_to_report = self.log_stats
        return freed

    def program_counters(self) -> ProgramCounters:
        """The counts so far; see `ProgramControl`."""
        if self.desk.expire():
            self._usage_to_report = self.log_stats
        return self.desk.counters()

    def _note_step(self, steps: StepClock, output: SchedulerOutput, now: float) -> None:
        """Sort the step's tokens; by now vLLM has counted them as computed."""
        prefill = context = 0
        requests = self.requests
        for request_id, tokens in output.num_scheduled_tokens.items():
            request = requests[request_id]
            computed = request.num_computed_tokens
            context += computed
            if computed - tokens < request.num_prompt_tokens:
                prefill += tokens
        decode = output.total_num_scheduled_tokens - prefill
        steps.began(output, now, prefill, decode, context)


class AsyncProgramScheduler(ProgramScheduler, AsyncScheduler):
    """The same for asynchronous scheduling, where a step is scheduled before the last one ends."""


class DiffusionProgramScheduler(ProgramScheduler, DiffusionScheduler):
    """The same for models that write by diffusion."""


class AsyncDiffusionProgramScheduler(ProgramScheduler, DiffusionAsyncScheduler):
    """The same for such models with asynchronous scheduling."""

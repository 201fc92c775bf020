"""The simulated engine with Treadle's scheduler in place of vLLM's, and a policy in that."""

from __future__ import annotations

from treadle.serving.policy.contract import SchedulingPolicy
from treadle.serving.simulator.engine import Counts, Progress, Request
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.vllm_core.construction import build_configuration, build_scheduler
from treadle.serving.simulator.vllm_core.engine import VllmEngine
from treadle.serving.simulator.vllm_core.informed_policy import InformedPolicy
from treadle.serving.simulator.vllm_core.request_hint import request_hint
from treadle.serving.simulator.vllm_core.scheduler_with_policy import scheduler_with_policy
from treadle.serving.simulator.vllm_core.virtual_clock import VirtualClock

_PATIENCE = 0.25
"""Seconds after which waiting calls are looked at again, however quiet it is."""


class ProgramEngine:
    """`policy` decides as in the plugin; requests carry hints as on the wire.

    asynchronous: as in vLLM, a step is scheduled before the one before it has ended.
    """

    def __init__(
        self, hardware: Hardware, policy: SchedulingPolicy, *, asynchronous: bool = False
    ) -> None:
        self._clock = VirtualClock()
        self._policy = InformedPolicy(policy)
        kind = scheduler_with_policy(self._policy, hardware, self._clock)
        configuration = build_configuration(hardware, asynchronous=asynchronous)
        self._scheduler = build_scheduler(configuration, hardware, kind)
        self._engine = VllmEngine(
            hardware,
            self._scheduler,
            ahead=1 + asynchronous,
            hints=request_hint,
            clock=self._clock,
        )

    @property
    def counts(self) -> Counts:
        counts = self._engine.counts
        counts.prefetched = self._scheduler.program_counters().prefetched_tokens
        return counts

    def add(self, request: Request, now: float) -> None:
        self._policy.expect(request)
        self._engine.add(request, now)

    def end_program(self, program_id: str, now: float) -> None:
        self._clock.now = now
        self._scheduler.end_program(program_id)
        self._engine.end_program(program_id, now)

    def wake(self, now: float) -> float:
        engine = self._engine.wake(now)
        if self._engine.busy:
            return min(engine, now + _PATIENCE)
        return float(min(engine, max(now, self._scheduler.desk.next_prefetch)))

    def step(self, now: float, horizon: float) -> Progress:
        return self._engine.step(now, horizon)

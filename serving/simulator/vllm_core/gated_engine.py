"""A policy in front of an engine that knows nothing of it, as a router is."""

from __future__ import annotations

from treadle.serving.policy.contract import Outcome, Pool, SchedulingPolicy
from treadle.serving.simulator.engine import Counts, Progress, Request
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.vllm_core.engine import VllmEngine

_PATIENCE = 0.25
"""Seconds after which calls that wait at the gate are looked at again, however quiet it is."""


class GatedEngine:
    """Lets calls through in the policy's order as it admits them; behind the gate the engine's
    own order holds, and nothing is held there."""

    def __init__(self, hardware: Hardware, engine: VllmEngine, policy: SchedulingPolicy) -> None:
        self._hardware = hardware
        self._engine = engine
        self._policy = policy
        self._waiting: list[Request] = []

    @property
    def counts(self) -> Counts:
        return self._engine.counts

    def add(self, request: Request, now: float) -> None:
        self._waiting.append(request)
        self._policy.arrived(request.call, now)

    def end_program(self, program_id: str, now: float) -> None:
        self._engine.end_program(program_id, now)
        self._policy.ended(program_id, now)

    def wake(self, now: float) -> float:
        engine = self._engine.wake(now)
        return min(engine, now + _PATIENCE) if self._waiting else engine

    def step(self, now: float, horizon: float) -> Progress:
        self._open(now)
        progress = self._engine.step(now, horizon)
        if progress.seconds:
            work = self._engine.last_work
            self._policy.stepped(work.prefilled, work.decoded, int(work.read), progress.seconds)
        for request in progress.finished:
            self._finished(request, now + progress.seconds)
        return progress

    def _open(self, now: float) -> None:
        policy = self._policy
        ranked = sorted(self._waiting, key=lambda each: policy.rank(each.call, now))
        refused = [each for each in ranked if not self._pass_if_admitted(each, now)]
        if refused and not self._engine.busy:
            # Nothing there would ever change its mind.
            self._send(refused[0], now)

    def _pass_if_admitted(self, request: Request, now: float) -> bool:
        admitted = self._policy.admits(request.call, self._pool(), now)
        if admitted:
            self._send(request, now)
        return admitted

    def _send(self, request: Request, now: float) -> None:
        self._waiting.remove(request)
        self._engine.add(request, now)
        self._policy.started(request.call, self._engine.cached_tokens(request.call.call_id), now)

    def _finished(self, request: Request, now: float) -> None:
        call = request.call
        outcome = Outcome(
            call.prompt_tokens + request.output_tokens,
            request.output_tokens,
            request.tools,
            request.last,
        )
        self._policy.finished(call, outcome, self._pool(), now)

    def _pool(self) -> Pool:
        running, waiting = self._engine.calls
        return Pool(
            self._hardware.pool_tokens,
            self._engine.used_tokens,
            0,
            running,
            waiting + len(self._waiting),
            self._hardware.reload_rate,
        )

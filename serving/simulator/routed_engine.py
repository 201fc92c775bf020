"""A stock engine behind the router, whose own gate decides what the engine gets, and when."""

from __future__ import annotations

from treadle.serving.policy.contract import Outcome
from treadle.serving.router.gate import ProgramGate
from treadle.serving.router.lane import Upstream
from treadle.serving.router.policies import policy_factory
from treadle.serving.simulator.engine import Counts, Progress, Request, SimulatedEngine
from treadle.serving.simulator.hardware import Hardware


class RoutedEngine:
    """An engine that knows no programs, and a `ProgramGate` in front of it."""

    _NAME = "engine"

    def __init__(self, hardware: Hardware, engine: SimulatedEngine) -> None:
        upstream = Upstream(self._NAME, hardware.pool_tokens, hardware.max_running)
        self._gate = ProgramGate([upstream], policy_factory("treadle"))
        self._engine = engine
        self._requests: dict[str, Request] = {}

    @property
    def counts(self) -> Counts:
        return self._engine.counts

    def add(self, request: Request, now: float) -> None:
        self._requests[request.call.call_id] = request
        self._gate.submit(request.call, now)

    def step(self, now: float, horizon: float) -> Progress:
        for dispatch in self._gate.next(now):
            self._engine.add(self._requests.pop(dispatch.call.call_id), now)
        progress = self._engine.step(now, min(horizon, self._gate_wakes(now)))
        for request in progress.finished:
            call = request.call
            outcome = Outcome(
                call.prompt_tokens + request.output_tokens,
                request.output_tokens,
                request.tools,
                request.last,
            )
            self._gate.finished(call.call_id, outcome, now + progress.seconds)
        return progress

    def wake(self, now: float) -> float:
        return min(self._engine.wake(now), self._gate_wakes(now))

    def end_program(self, program_id: str, now: float) -> None:
        self._gate.ended(program_id, now)
        self._engine.end_program(program_id, now)

    def _gate_wakes(self, now: float) -> float:
        wakes = self._gate.wake_at(now)
        # Waiting calls are looked at again from time to time, as the router does.
        return min(
            now + 0.25 if self._gate.waiting else float("inf"),
            float("inf") if wakes is None else wakes,
        )

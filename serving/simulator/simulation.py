"""Programs on an engine, on a virtual clock: who arrives when, and what becomes of them."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from treadle.core.errors import InputError
from treadle.serving.policy.contract import Call, ToolUse
from treadle.serving.simulator.engine import Counts, Request, SimulatedEngine
from treadle.serving.simulator.programs import AgentProgram, Turn

Knowledge: TypeAlias = Literal["nothing", "plan", "everything"]
"""What a policy is told: nothing of the future; the number of calls to come, as a plan would
estimate it; or the trace."""


@dataclass(frozen=True, slots=True)
class Load:
    """How programs come: exactly one of the two is given.

    concurrency: closed loop: so many programs at any time, the next comes when one has ended.
    per_second: open loop: programs arrive at this rate, at random (Poisson).
    """

    concurrency: int | None = None
    per_second: float | None = None

    def __post_init__(self) -> None:
        if (self.concurrency is None) == (self.per_second is None):
            raise InputError(
                "bad_workload", "give either a concurrency or the programs per second, not both"
            )


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came out: seconds and tokens.

    completion_seconds: of each program, from its arrival to its last token, in the order given.
    makespan: from the first arrival to the last token.
    """

    completion_seconds: tuple[float, ...]
    makespan: float
    counts: Counts


@dataclass(slots=True)
class _Progress:
    program: AgentProgram
    index: int
    arrived: float
    noise: float
    turn: int = 0


def simulate(
    programs: Sequence[AgentProgram],
    engine: SimulatedEngine,
    load: Load,
    *,
    seed: int = 0,
    knowledge: Knowledge = "nothing",
    block_tokens: int = 16,
    plan_sigma: float = 1.0,
) -> Simulation:
    """Run all `programs`, in an order that `seed` decides on, to their end.

    plan_sigma: for "plan", the number of calls to come is off by a factor that is lognormal with
        this sigma, one for each program.

    Raises InputError `simulation_stuck` when the engine does nothing although calls wait.
    """
    return _Run(programs, engine, load, seed, knowledge, block_tokens, plan_sigma).result()


class _Run:
    def __init__(
        self,
        programs: Sequence[AgentProgram],
        engine: SimulatedEngine,
        load: Load,
        seed: int,
        knowledge: Knowledge,
        block_tokens: int,
        plan_sigma: float,
    ) -> None:
        self._engine = engine
        self._knowledge = knowledge
        self._block = block_tokens
        self._numbers = itertools.count()
        self._events: list[tuple[float, int, _Progress]] = []
        self._by_call: dict[str, _Progress] = {}
        self._seconds = [0.0] * len(programs)
        self._last = 0.0
        # Arrivals, order and noise draw on generators of their own: every policy sees the same.
        order = list(range(len(programs)))
        random.Random(f"order {seed}").shuffle(order)
        noise = random.Random(f"noise {seed}")
        factors = [math.exp(noise.gauss(0.0, plan_sigma)) for _ in programs]
        arrivals = random.Random(f"arrivals {seed}")
        self._coming: Iterator[_Progress] = iter(
            _Progress(programs[each], each, 0.0, factors[each]) for each in order
        )
        if load.concurrency is not None:
            for progress in itertools.islice(self._coming, min(load.concurrency, len(programs))):
                self._arrives(progress, 0.0)
        elif load.per_second is not None:
            now = 0.0
            for progress in self._coming:
                now += arrivals.expovariate(load.per_second)
                self._arrives(progress, now)
            self._coming = iter(())

    def result(self) -> Simulation:
        now = 0.0
        first = self._events[0][0] if self._events else 0.0
        while self._events or self._by_call:
            for progress in self._due(now):
                request = self._request(progress, now)
                self._by_call[request.call.call_id] = progress
                self._engine.add(request, now)
            horizon = self._events[0][0] if self._events else math.inf
            step = self._engine.step(now, horizon)
            now += step.seconds
            for request in step.finished:
                self._finished(request, now)
            if step.seconds == 0.0:
                until = min(self._engine.wake(now), horizon)
                if math.isinf(until):
                    raise InputError(
                        "simulation_stuck",
                        f"at {now:.3f} s {len(self._by_call)} calls wait and the engine starts "
                        f"none; is the pool smaller than a prompt?",
                    )
                now = max(now, until)
        return Simulation(tuple(self._seconds), self._last - first, self._engine.counts)

    def _arrives(self, progress: _Progress, at: float) -> None:
        progress.arrived = at
        heapq.heappush(self._events, (at, next(self._numbers), progress))

    def _due(self, now: float) -> Iterator[_Progress]:
        while self._events and self._events[0][0] <= now:
            yield heapq.heappop(self._events)[2]

    def _request(self, progress: _Progress, now: float) -> Request:
        turns = progress.program.turns
        turn = turns[progress.turn]
        before = turns[progress.turn - 1] if progress.turn else None
        reusable = 0
        if before is not None:
            computed = before.prompt_tokens + before.output_tokens - 1
            reusable = min(computed, turn.prompt_tokens - 1) // self._block * self._block
        to_come = len(turns) - progress.turn - 1
        call = Call(
            f"{progress.index}.{progress.turn}",
            f"{progress.index}",
            "",
            turn.prompt_tokens,
            now,
            remaining_calls=self._told(to_come, progress.noise),
            remaining_seconds=self._remaining(turns[progress.turn :]),
        )
        return Request(call, reusable, turn.output_tokens, self._tools(turn), to_come == 0)

    def _told(self, to_come: int, noise: float) -> float | None:
        if self._knowledge == "nothing":
            return None
        return to_come * noise if self._knowledge == "plan" else to_come

    def _remaining(self, turns: Sequence[Turn]) -> float | None:
        if self._knowledge != "everything":
            return None
        return sum(turn.gap_seconds for turn in turns)

    def _tools(self, turn: Turn) -> tuple[ToolUse, ...]:
        exact = self._knowledge == "everything"
        return tuple(
            ToolUse(tool.tool, tool.pattern, tool.seconds if exact else None) for tool in turn.tools
        )

    def _finished(self, request: Request, now: float) -> None:
        progress = self._by_call.pop(request.call.call_id)
        turn = progress.program.turns[progress.turn]
        progress.turn += 1
        if progress.turn < len(progress.program.turns):
            at = now + turn.gap_seconds
            heapq.heappush(self._events, (at, next(self._numbers), progress))
            return
        self._engine.end_program(request.call.program_id, now)
        self._seconds[progress.index] = now - progress.arrived
        self._last = max(self._last, now)
        following = next(self._coming, None)
        if following is not None:
            self._arrives(following, now)

"""Policies against each other: the same programs, arrivals and hardware for all of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from treadle.core.errors import InputError
from treadle.serving.policy.contract import SchedulingPolicy
from treadle.serving.simulator.bounds import Bounds, contention_free_seconds, least_recomputed
from treadle.serving.simulator.engine import SimulatedEngine
from treadle.serving.simulator.fast_engine import FastEngine
from treadle.serving.simulator.generator import generate_programs
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.parallel import in_processes
from treadle.serving.simulator.policies import policy_named
from treadle.serving.simulator.programs import AgentProgram
from treadle.serving.simulator.report import PolicyResult, Report
from treadle.serving.simulator.routed_engine import RoutedEngine
from treadle.serving.simulator.simulation import Load, Simulation, simulate

EngineName: TypeAlias = Literal["fast", "vllm"]

_WORTH_A_PROCESS = 20_000
"""Calls, over all simulations, below which starting processes takes longer than it saves."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The programs of an experiment: given ones, or generated ones, new for each seed."""

    programs: tuple[AgentProgram, ...] = ()
    generated: int = 0

    def for_seed(self, seed: int) -> tuple[AgentProgram, ...]:
        """The programs of this seed."""
        return self.programs or generate_programs(self.generated, seed)


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is simulated.

    seeds: each makes an order and arrivals of its own, and programs where they are generated.
    """

    workload: Workload
    load: Load
    policies: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    hardware: Hardware = Hardware()  # noqa: RUF009 - frozen
    engine: EngineName = "fast"

    def __post_init__(self) -> None:
        if not self.policies or not self.seeds:
            raise InputError("bad_workload", "name at least one policy and one seed")
        for name in self.policies:
            policy_named(name)
        for name, values in (("policy", self.policies), ("seed", self.seeds)):
            twice = [each for each in values if values.count(each) > 1]
            if twice:
                raise InputError("bad_workload", f"{name} {twice[0]} is named twice")


@dataclass(frozen=True, slots=True)
class _Job:
    """One simulation; of the bounds where there is no policy."""

    experiment: Experiment
    seed: int
    policy: str | None


@dataclass(frozen=True, slots=True)
class _Bound:
    alone_seconds: tuple[float, ...]
    recomputed: int


def run_experiment(
    experiment: Experiment,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Report:
    """Simulate every policy with every seed, and the bounds.

    processes: how many work at once; as many as there are cores if not said. Small experiments
        are done in this one, unless it is said.
    progress: told how many simulations have ended, of how many.

    Raises InputError and ConfigError, for what cannot be simulated.
    """
    _check_hardware(experiment.hardware)
    first = experiment.workload.for_seed(experiment.seeds[0])
    _check_fits(first, experiment.hardware)
    names = (*experiment.policies, None)
    jobs = [_Job(experiment, seed, name) for name in names for seed in experiment.seeds]
    calls = sum(len(program.turns) for program in first) * len(jobs)
    progress(0, len(jobs))
    outcomes: list[Simulation | _Bound] = []
    if processes is None and calls < _WORTH_A_PROCESS:
        for job in jobs:
            outcomes.append(_done(job))
            progress(len(outcomes), len(jobs))
    else:
        outcomes = in_processes(
            _done, jobs, most=processes, finished=lambda done: progress(done, len(jobs))
        )
    return _report(experiment, outcomes)


def make_engine(
    name: EngineName, hardware: Hardware, policy: SchedulingPolicy, *, gated: bool
) -> SimulatedEngine:
    """The engine of this name.

    Raises ConfigError for "vllm" where vLLM is not installed.
    """
    if name == "fast":
        return FastEngine(hardware, policy, gated=gated)
    from treadle.serving.simulator.vllm_engine import make_vllm_engine

    return make_vllm_engine(hardware, policy, gated=gated)


def _done(job: _Job) -> Simulation | _Bound:
    experiment = job.experiment
    hardware = experiment.hardware
    programs = experiment.workload.for_seed(job.seed)
    _check_fits(programs, hardware)
    if job.policy is None:
        alone = contention_free_seconds(programs, hardware)
        return _Bound(alone, least_recomputed(programs, hardware, experiment.load, job.seed))
    entry = policy_named(job.policy)
    engine = make_engine(experiment.engine, hardware, entry.make(hardware), gated=entry.gated)
    if entry.routed:
        engine = RoutedEngine(hardware, engine)
    return simulate(
        programs,
        engine,
        experiment.load,
        seed=job.seed,
        knowledge=entry.knowledge,
        block_tokens=hardware.block_tokens,
    )


def _report(experiment: Experiment, outcomes: Sequence[Simulation | _Bound]) -> Report:
    count = len(experiment.seeds)
    results = {}
    for place, name in enumerate(experiment.policies):
        of_policy = outcomes[place * count : (place + 1) * count]
        simulations = [each for each in of_policy if isinstance(each, Simulation)]
        results[name] = PolicyResult.of(simulations)
    bounds = [each for each in outcomes if isinstance(each, _Bound)]
    alone = [seconds for bound in bounds for seconds in bound.alone_seconds]
    recomputed = statistics.fmean(bound.recomputed for bound in bounds)
    return Report(results, Bounds(statistics.fmean(alone), recomputed))


def _check_hardware(hardware: Hardware) -> None:
    for field in fields(hardware):
        value = getattr(hardware, field.name)
        least = 0 if field.name in ("cpu_tokens", "overhead_seconds") else 1
        if not (math.isfinite(value) and value >= least):
            raise InputError(
                "bad_hardware", f"{field.name} is {value}: give a number of at least {least}"
            )
    if hardware.step_tokens < hardware.max_running:
        raise InputError(
            "bad_hardware",
            f"a step of {hardware.step_tokens} tokens has none to spare for {hardware.max_running} "
            f"calls that decode: make step_tokens larger or max_running smaller",
        )


def _check_fits(programs: Sequence[AgentProgram], hardware: Hardware) -> None:
    """A call that never fits would wait forever."""
    for program in programs:
        for turn in program.turns:
            tokens = turn.prompt_tokens + turn.output_tokens
            if tokens > hardware.pool_tokens:
                raise InputError(
                    "pool_too_small",
                    f"a call of program {program.name} needs {tokens:,} tokens of KV, and the "
                    f"pool has {hardware.pool_tokens:,}",
                )

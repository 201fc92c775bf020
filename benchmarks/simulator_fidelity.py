"""How true the simulator is: `fast` against vLLM's scheduler, and that against a real engine.

Run where vLLM is installed: python -m benchmarks.simulator_fidelity [--help]. The first table has
the same programs on both simulators: mean job completion time, recomputed prefill tokens, hit
rate and preemptions, summed up over the seeds. With memory short, a block more or less sends a
run another way: single seeds differ by some percent, and so does `fast` from itself when a step
takes 1% longer; what stays when seeds are pooled is systematic. The second table has a tiny model
in a real engine on the CPU, in lock-step with its simulation: gaps are counted in steps.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from statistics import fmean

from treadle.serving.policy.stock import StockPolicy
from treadle.serving.simulator.experiment import EngineName, make_engine
from treadle.serving.simulator.generator import generate_programs
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.policies import policy_named
from treadle.serving.simulator.programs import AgentProgram, ToolRun, Turn
from treadle.serving.simulator.simulation import Load, Simulation, simulate
from treadle.serving.simulator.trace_file import read_trace

_BLOCK = 32  # what vLLM's CPU backend takes


@dataclass(slots=True)
class Pooled:
    """What one engine made of a policy, over the seeds."""

    completions: list[float] = field(default_factory=list)
    recomputed: int = 0
    hit: int = 0
    prompt: int = 0
    preemptions: int = 0
    steps: int = 0
    seconds: float = 0.0

    def add(self, outcome: Simulation, seconds: float) -> None:
        """One seed more."""
        counts = outcome.counts
        self.completions += outcome.completion_seconds
        self.recomputed += counts.recomputed
        self.hit += counts.hit
        self.prompt += counts.prompt
        self.preemptions += counts.preemptions
        self.steps += counts.steps
        self.seconds += seconds


def pooled(
    engine: EngineName,
    policy: str,
    programs: dict[int, Sequence[AgentProgram]],
    agents: int,
    hardware: Hardware,
) -> Pooled:
    """Run `policy` on `engine`, with every seed."""
    entry = policy_named(policy)
    made = Pooled()
    for seed, several in programs.items():
        began = time.perf_counter()
        simulated = make_engine(engine, hardware, entry.make(hardware), gated=entry.gated)
        outcome = simulate(
            several, simulated, Load(concurrency=agents), seed=seed, knowledge=entry.knowledge
        )
        made.add(outcome, time.perf_counter() - began)
    return made


def compare_simulators(options: argparse.Namespace) -> None:
    """Print the first table."""
    hardware = Hardware(pool_tokens=options.pool, cpu_tokens=options.cpu_tier)
    # Importing vLLM takes longer than many a run.
    make_engine("vllm", hardware, StockPolicy(), gated=False)
    programs = {seed: workload(options, seed) for seed in options.seeds}
    print(
        f"{options.programs} programs of at most {options.turns} turns, seeds {options.seeds}, "
        f"a pool of {options.pool:,} tokens, {options.cpu_tier:,} on the CPU"
    )
    heads = ("agents", "policy", "engine", "mean jct", "recomputed", "hit rate", "preempted")
    print("{:>6} {:<18} {:<6} {:>9} {:>12} {:>8} {:>9} {:>8}".format(*heads, "steps/s"))
    for agents in options.agents:
        for policy in options.policies:
            fast = pooled("fast", policy, programs, agents, hardware)
            real = pooled("vllm", policy, programs, agents, hardware)
            for name, each in (("fast", fast), ("vllm", real)):
                print(
                    f"{agents:>6} {policy:<18} {name:<6} {fmean(each.completions):>9.1f} "
                    f"{each.recomputed:>12,} {each.hit / each.prompt:>8.4f} "
                    f"{each.preemptions:>9} {each.steps / each.seconds:>8.0f}"
                )
            jct = fmean(fast.completions) / fmean(real.completions) - 1
            recomputed = fast.recomputed / real.recomputed - 1 if real.recomputed else 0.0
            hit = (fast.hit - real.hit) / real.prompt
            print(
                f"{'':>6} {'':<18} {'differ':<6} {jct:>+9.1%} {recomputed:>+12.1%} {hit:>+8.4f}",
                flush=True,
            )


def workload(options: argparse.Namespace, seed: int) -> Sequence[AgentProgram]:
    """The first programs of the trace, or as many generated ones, cut to their first turns."""
    several = read_trace(options.trace) if options.trace else ()
    several = several or generate_programs(options.programs, seed)
    return [
        AgentProgram(each.name, each.turns[: options.turns]) for each in several[: options.programs]
    ]


def compare_with_the_engine(options: argparse.Namespace) -> None:
    """Print the second table."""
    from tests.engine.tiny_model import build_model

    from treadle.serving.simulator.vllm_core.lock_step import LockStepEngine, StepHardware
    from treadle.serving.simulator.vllm_engine import make_vllm_engine

    hardware = StepHardware(pool_tokens=2_240, block_tokens=_BLOCK, step_tokens=256, max_running=16)
    load = Load(concurrency=8)
    print("\nin lock-step with a real engine: 12 programs of 5 turns, gaps in steps")
    print(
        "{:>4} {:<9} {:<9} {:>7} {:>7} {:>9}".format(
            "seed", "steps", "engine", "hit", "steps", "mean jct"
        )
    )
    with tempfile.TemporaryDirectory(prefix="treadle-tiny-model-") as folder:
        model = build_model(Path(folder))
        for seed in options.seeds:
            several = small_programs(seed)
            for asynchronous in (False, True):
                engine = LockStepEngine(model, hardware, asynchronous=asynchronous)
                real = simulate(several, engine, load, block_tokens=_BLOCK)
                engine.close()
                simulated = make_vllm_engine(hardware, StockPolicy(), asynchronous=asynchronous)
                ours = simulate(several, simulated, load, block_tokens=_BLOCK)
                kind = "overlap" if asynchronous else "in turn"
                for name, each in (("real", real), ("simulated", ours)):
                    print(
                        f"{seed:>4} {kind:<9} {name:<9} {each.counts.hit:>7} "
                        f"{each.counts.steps:>7} {fmean(each.completion_seconds):>9.2f}",
                        flush=True,
                    )


def small_programs(seed: int, count: int = 12, turns: int = 5) -> list[AgentProgram]:
    """Programs whose contexts do not fit the small pool together."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        prompt = draw.randrange(150, 400)
        several = []
        for _ in range(turns):
            output = draw.randrange(5, 30)
            gap = float(draw.choice([2, 5, 20, 60]))
            several.append(Turn(prompt, output, (ToolRun("tool", "", gap),)))
            prompt += output + draw.randrange(10, 150)
        made.append(AgentProgram(f"program {number}", tuple(several)))
    return made


def options_from(arguments: Sequence[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trace", type=Path, help="programs to take; generated ones without it")
    parser.add_argument("--programs", type=int, default=24)
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--agents", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--pool", type=int, default=250_000, help="tokens")
    parser.add_argument("--cpu-tier", type=int, default=0, help="tokens; 64 GB have 488,000")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--policies", nargs="+", default=["vllm", "continuum", "treadle"])
    parser.add_argument("--skip-engine", action="store_true", help="no real engine")
    return parser.parse_args(arguments)


def main() -> None:
    """Print both tables."""
    options = options_from(sys.argv[1:])
    # The tables are to be read, not vLLM's log.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    # Sets what else the engine reads from the environment, before vLLM is imported.
    import_module("tests.engine.conftest")
    compare_simulators(options)
    if not options.skip_engine:
        compare_with_the_engine(options)


if __name__ == "__main__":
    main()

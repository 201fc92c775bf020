"""Scheduling policies on the simulator: the table in the README.

Closed loop, 16, 24 and 32 agents at a time, completion times pooled over seeds; nothing was tuned
on these seeds. `faster` is vllm's mean over the policy's, `tail` its p95 over continuum's.
Without --trace the programs are generated, others for each seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from treadle.serving.simulator import (
    Experiment,
    Hardware,
    Load,
    PolicyResult,
    Workload,
    read_trace,
    run_experiment,
)

POLICIES = (
    "vllm", "continuum-preview", "continuum", "autellix", "infercept", "thunderagent",
    "treadle", "treadle+plan", "treadle-router", "oracle",
)  # fmt: skip
AGENTS = (16, 24, 32)
SEEDS = (4, 5, 6)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trace", type=Path, help="programs as JSON lines")
    parser.add_argument("--programs", type=int, default=70, help="how many to generate")
    parser.add_argument("--cpu-tier-gb", type=float, default=0.0, help="CPU memory for KV")
    parser.add_argument("--agents", type=_numbers, default=AGENTS, help="e.g. 16,24,32")
    parser.add_argument("--seeds", type=_numbers, default=SEEDS, help="e.g. 4,5,6")
    parser.add_argument("--policies", type=lambda text: tuple(text.split(",")), default=POLICIES)
    options = parser.parse_args()
    workload = (
        Workload(generated=options.programs)
        if options.trace is None
        else Workload(read_trace(options.trace))
    )
    tier = int(options.cpu_tier_gb * 1e9 / Hardware().kv_bytes)
    seeds = ", ".join(str(seed) for seed in options.seeds)
    what = "generated" if options.trace is None else "of the trace"
    print(f"programs {what}; seeds {seeds}; CPU tier {options.cpu_tier_gb:g} GB\n")
    print("| agents | policy | mean s | p50 | p95 | recomputed | hits | faster | tail |")
    print("|---|---|---|---|---|---|---|---|---|")
    for agents in options.agents:
        experiment = Experiment(
            workload,
            Load(concurrency=agents),
            options.policies,
            options.seeds,
            Hardware(cpu_tokens=tier),
        )
        report = run_experiment(experiment)
        for name, result in report.policies.items():
            print(_row(agents, name, result, report.policies))
        bounds = report.bounds
        recomputed = bounds.recomputed_prefill_tokens / 1e6
        print(f"| {agents} | bound | {bounds.jct_mean:,.0f} | | | {recomputed:,.1f} M | | | |")


def _row(agents: int, name: str, result: PolicyResult, others: Mapping[str, PolicyResult]) -> str:
    jct = result.jct
    stock, continuum = others.get("vllm"), others.get("continuum")
    faster = f"{stock.jct.mean / jct.mean:.2f}" if stock else ""
    tail = f"{jct.p95 / continuum.jct.p95:.2f}" if continuum else ""
    return (
        f"| {agents} | {name} | {jct.mean:,.0f} | {jct.p50:,.0f} | {jct.p95:,.0f} "
        f"| {result.recomputed_prefill_tokens / 1e6:,.1f} M | {result.hit_rate:.1%} "
        f"| {faster} | {tail} |"
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(","))


if __name__ == "__main__":
    main()

"""What program-aware scheduling saves on a real vLLM, beside vLLM's own scheduler.

Programs that pause for tools share a KV pool that is too small for all of them, in lock-step with
the engine: tools take a number of its steps, everything else is drawn from the seed. Both
schedulers run every seed, in turn, in one process. Prefix-hit tokens and outputs repeat exactly;
times are what this machine took, and are reported only.

Run by `make bench-engine`, in the engine's environment. With --gpu: an eight-billion-parameter
model with weights that nobody trained, in the engine's own data type.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# Sets the engine's environment variables, which is to happen before vLLM is imported.
from tests.engine.conftest import HAS_ENGINE
from tests.engine.in_process import STOCK, Engine, started
from tests.engine.programs import Result, Scale, Workload, draw, run
from tests.engine.tiny_model import REAL_SIZED, TINY, build_model

TARGET = 1.8
"""Prefix-hit tokens, times those of the stock scheduler, over all seeds; no seed may be worse."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The engine and the programs on it. blocks: in the KV pool, of 32 tokens each."""

    blocks: int
    context: int
    batched_tokens: int
    sequences: int
    scale: Scale


CPU = Setting(blocks=64, context=1024, batched_tokens=128, sequences=16, scale=Scale())
GPU = Setting(
    blocks=3072,
    context=16_384,
    batched_tokens=8192,
    sequences=64,
    scale=Scale(
        programs=48,
        concurrency=24,
        turns=(8, 14),
        first=(3000, 6000),
        result=(200, 1200),
        output=(32, 128),
        tool_steps=100.0,
    ),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One seed, both ways. Completion is the mean over programs, in steps; wall is in seconds."""

    seed: int
    prompt_tokens: int
    stock_hits: int
    our_hits: int
    same_outputs: bool
    stock_completion: float
    our_completion: float
    stock_seconds: float
    our_seconds: float

    @property
    def ratio(self) -> float:
        """Ours to stock."""
        return self.our_hits / max(1, self.stock_hits)


def main() -> None:
    """Print a table, or JSON; the exit code says whether the target was met."""
    options = parsed(sys.argv[1:])
    if not HAS_ENGINE:
        sys.exit("vLLM is not installed here: run it by `make bench-engine`")
    rows = measured(options)
    if options.json:
        print(json.dumps(document(rows, options), indent=2))
    else:
        print(table(rows, options.policy))
    sys.exit(0 if met(rows) else 1)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="benchmarks.engine", description=__doc__)
    parser.add_argument("--seeds", type=int, default=9, help="how many; from --first-seed on")
    parser.add_argument("--first-seed", type=int, default=101)
    parser.add_argument("--policy", default="treadle", help="by name, or package.module:Class")
    parser.add_argument("--blocks", type=int, help="of 32 tokens, in the KV pool")
    parser.add_argument("--batched-tokens", type=int, help="in a step")
    parser.add_argument("--tool-steps", type=float, help="the median pause of a tool, in steps")
    parser.add_argument("--gpu", action="store_true", help="a real-sized model on a GPU")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def measured(options: argparse.Namespace) -> list[Row]:
    """Run every seed on both engines, in turn."""
    setting = chosen(options)
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="treadle-bench-")))
        shape = REAL_SIZED if options.gpu else TINY
        model = build_model(folder, shape=shape, weights=not options.gpu)
        stock, ours = engines(stack, model, setting, options)
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            workload = draw(seed, setting.scale)
            # Whoever goes second finds a warmer machine: they take turns.
            sides = [(stock, False), (ours, True)]
            if seed % 2:
                sides.reverse()
            results = {hints: timed(engine, workload, hints) for engine, hints in sides}
            rows.append(row(seed, workload, results[False], results[True]))
            print(f"seed {seed}: {rows[-1].ratio:.2f}x", file=sys.stderr)
    return rows


def chosen(options: argparse.Namespace) -> Setting:
    """The setting, with what the options change of it."""
    setting = GPU if options.gpu else CPU
    scale = setting.scale
    if options.tool_steps is not None:
        scale = replace(scale, tool_steps=options.tool_steps)
    return replace(
        setting,
        blocks=options.blocks or setting.blocks,
        batched_tokens=options.batched_tokens or setting.batched_tokens,
        scale=scale,
    )


def engines(
    stack: ExitStack, model: Path, setting: Setting, options: argparse.Namespace
) -> tuple[Engine, Engine]:
    """The two, at the same time in this process."""
    from tests.engine.stepped import SteppedScheduler

    more: dict[str, Any] = {}
    if options.gpu:
        # Both engines fit beside each other; steps are counted, so none may run ahead.
        more = {
            "dtype": "bfloat16",
            "load_format": "dummy",
            "gpu_memory_utilization": 0.4,
            "async_scheduling": False,
        }

    def engine(scheduler: type | None) -> Engine:
        return stack.enter_context(
            started(
                model,
                scheduler,
                blocks=setting.blocks,
                policy=options.policy,
                context=setting.context,
                batched_tokens=setting.batched_tokens,
                sequences=setting.sequences,
                **more,
            )
        )

    return engine(STOCK), engine(SteppedScheduler)


def timed(engine: Engine, workload: Workload, hints: bool) -> tuple[Result, float]:
    """One run on an empty cache, and the seconds it took."""
    from tests.engine.stepped import CLOCK, STEP_SECONDS

    engine.llm.reset_prefix_cache()
    begin = time.perf_counter()
    result = run(
        engine,
        workload,
        hints=hints,
        name=f"{engine.steps}-",
        idle=lambda: CLOCK.advance(STEP_SECONDS),
    )
    return result, time.perf_counter() - begin


def row(
    seed: int, workload: Workload, stock: tuple[Result, float], ours: tuple[Result, float]
) -> Row:
    """One seed's figures."""

    def outputs(result: Result) -> list[tuple[int, ...]]:
        return [tokens for _, tokens in sorted(
            (name.partition("-")[2], tokens) for name, tokens in result.outputs.items()
        )]  # fmt: skip

    return Row(
        seed,
        workload.prompt_tokens,
        stock[0].hit_tokens,
        ours[0].hit_tokens,
        outputs(stock[0]) == outputs(ours[0]),
        stock[0].mean_completion,
        ours[0].mean_completion,
        stock[1],
        ours[1],
    )


def met(rows: Sequence[Row]) -> bool:
    """Whether the target was met: over all seeds, by each seed, and with the same outputs."""
    return (
        overall(rows) >= TARGET
        and all(each.ratio >= 1 for each in rows)
        and all(each.same_outputs for each in rows)
    )


def overall(rows: Sequence[Row]) -> float:
    """Hit tokens of all seeds together, ours to stock."""
    return sum(each.our_hits for each in rows) / max(1, sum(each.stock_hits for each in rows))


def document(rows: Sequence[Row], options: argparse.Namespace) -> dict[str, object]:
    """What --json prints."""
    return {
        "policy": options.policy,
        "gpu": options.gpu,
        "ratio": overall(rows),
        "worst_ratio": min(each.ratio for each in rows),
        "same_outputs": all(each.same_outputs for each in rows),
        "target": TARGET,
        "met": met(rows),
        "seeds": [
            {name: getattr(each, name) for name in Row.__dataclass_fields__} | {"ratio": each.ratio}
            for each in rows
        ],
    }


def table(rows: Sequence[Row], policy: str) -> str:
    """The same for people."""
    head = (
        f"{'seed':>6} {'prompt':>9} {'stock hits':>11} {policy[-14:]:>14} {'ratio':>6} "
        f"{'outputs':>8} {'completion, steps':>19} {'seconds':>13}"
    )
    lines = [
        f"{each.seed:>6} {each.prompt_tokens:>9,} {each.stock_hits:>11,} {each.our_hits:>14,} "
        f"{each.ratio:>5.2f}x {'same' if each.same_outputs else 'DIFFER':>8} "
        f"{each.stock_completion:>8.0f} -> {each.our_completion:>7.0f} "
        f"{each.stock_seconds:>5.1f} -> {each.our_seconds:>4.1f}"
        for each in rows
    ]
    median = statistics.median(each.ratio for each in rows)
    end = (
        f"all seeds together {overall(rows):.2f}x, median {median:.2f}x, "
        f"worst {min(each.ratio for each in rows):.2f}x; target {TARGET}x, no seed below 1: "
        f"{'met' if met(rows) else 'NOT MET'}"
    )
    return "\n".join([head, *lines, end])


if __name__ == "__main__":
    main()

"""What the plugin adds to vLLM's own scheduling of a step, with many requests waiting.

    python -m benchmarks.engine_scheduler [--waiting 256] [--steps 400] [--rounds 5] [--seed 1]

Needs vllm, and no GPU: the scheduler and its KV cache are real, and the model is left out. In each
round both sides take the same steps one after the other; the table shows medians of `schedule()`
over all rounds. A step of an 8B model on an H100 takes 7 ms at least: the last column is the
difference as a share of that.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.engine.scheduler_harness import Bench, bench, call, model_folder, text

from treadle.serving.policy import TreadlePolicy

STEP_SECONDS = 0.007


@dataclass(frozen=True, slots=True)
class Side:
    """stock: vLLM's own scheduler. hints: whether the requests say what program they are of."""

    name: str
    stock: bool
    hints: bool


SIDES = (
    Side("vllm", stock=True, hints=False),
    Side("treadle, no hints", stock=False, hints=False),
    Side("treadle, hints", stock=False, hints=True),
)

SCENES: dict[str, dict[str, int]] = {
    # Why the others wait: no slot is free, or no room.
    "slots full": {"max_running": 64, "blocks": 20_000},
    "pool full": {"max_running": 512, "blocks": 700},
}


def build(model: str, side: Side, scene: str, waiting: int, seed: int) -> Bench:
    """A scheduler whose slots or pool are full, with `waiting` requests behind."""
    made = bench(
        model,
        stock=side.stock,
        program_policy=None if side.stock else TreadlePolicy(),
        engine_clock=time.monotonic,
        step_tokens=8192,
        longest=4096,
        **SCENES[scene],
    )
    running = 64
    for n in range(running + waiting):
        made.add(
            call(
                f"{seed}-{n}",
                text(seed * 10_000 + n, 100 + 7 * (n % 50)),
                output=3000,
                program=f"program{n}" if side.hints else None,
                extra={"treadle_remaining_calls": n % 30} if side.hints else None,
            )
        )
    for _ in range(20):
        made.step()
    return made


def measure(made: Bench, steps: int) -> list[float]:
    """Seconds that each `schedule()` took."""
    seconds = []
    schedule: Callable[[], object] = made.scheduler.schedule

    def timed() -> object:
        # Processor time: other processes on the machine are nobody's cost here.
        began = time.thread_time()
        output = schedule()
        seconds.append(time.thread_time() - began)
        return output

    made.scheduler.schedule = timed
    for _ in range(steps):
        made.step()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--waiting", type=int, default=256)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(
        f"seed {options.seed}, {options.waiting} waiting, {options.rounds} x {options.steps} steps"
    )
    print(f"{'':12} {'':18} {'median us':>10} {'mean us':>9} {'p99 us':>8} {'of 7 ms':>8}")
    with tempfile.TemporaryDirectory() as folder:
        model = model_folder(Path(folder))
        for scene in SCENES:
            found: dict[str, list[float]] = {side.name: [] for side in SIDES}
            for n in range(options.rounds):
                for side in SIDES:
                    made = build(model, side, scene, options.waiting, options.seed + n)
                    found[side.name] += measure(made, options.steps)
            stock = statistics.mean(found["vllm"])
            for side in SIDES:
                seconds = sorted(found[side.name])
                mean = statistics.mean(seconds)
                print(
                    f"{scene:12} {side.name:18} {statistics.median(seconds) * 1e6:10.0f} "
                    f"{mean * 1e6:9.0f} {seconds[int(len(seconds) * 0.99)] * 1e6:8.0f} "
                    f"{(mean - stock) / STEP_SECONDS:8.1%}"
                )


if __name__ == "__main__":
    main()

"""Our scheduler on a clock that the engine's own steps move, so that runs repeat exactly."""

from __future__ import annotations

from typing import Any

from treadle.serving.vllm_plugin import ProgramScheduler
from treadle.testing import FakeClock

CLOCK = FakeClock()
"""What the engine of this process takes for the time."""

STEP_SECONDS = 0.02
TOKEN_SECONDS = 0.001
"""What a step takes, and each token in it: about what the tiny model takes on one core."""


class SteppedScheduler(ProgramScheduler):
    """Ours, on `CLOCK`; every step takes its time on it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, engine_clock=CLOCK.monotonic, **kwargs)

    def update_from_output(self, scheduler_output: Any, model_runner_output: Any) -> Any:
        tokens = scheduler_output.total_num_scheduled_tokens
        CLOCK.advance(STEP_SECONDS + TOKEN_SECONDS * tokens)
        return super().update_from_output(scheduler_output, model_runner_output)

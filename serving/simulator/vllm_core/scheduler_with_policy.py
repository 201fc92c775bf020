# pyright: reportMissingImports=false
"""Treadle's scheduler for a simulation: the policy and the time are the simulation's."""

from __future__ import annotations

import functools
from collections.abc import Callable

from treadle.serving.policy.contract import SchedulingPolicy
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.vllm_plugin.scheduler import ProgramScheduler
from treadle.serving.vllm_plugin.settings import EngineSettings


def scheduler_with_policy(
    policy: SchedulingPolicy, hardware: Hardware, clock: Callable[[], float]
) -> Callable[..., ProgramScheduler]:
    """What stands in for the scheduler's class where vLLM makes its scheduler."""
    # The share for holds is a bound for hostile clients; here the policy decides alone. Programs
    # end when the simulation says so, however long their tools take.
    settings = EngineSettings(
        max_pinned_share=1.0, reload_rate=hardware.reload_rate, patience_seconds=1e9
    )
    return functools.partial(
        ProgramScheduler, program_policy=policy, engine_clock=clock, settings=settings
    )

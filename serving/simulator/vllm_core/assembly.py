# pyright: reportMissingImports=false
"""From hardware and a policy to an engine with vLLM's scheduler in it."""

from __future__ import annotations

from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler

from treadle.serving.policy.contract import SchedulingPolicy
from treadle.serving.policy.stock import StockPolicy
from treadle.serving.simulator.engine import SimulatedEngine
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.vllm_core.construction import build_configuration, build_scheduler
from treadle.serving.simulator.vllm_core.engine import VllmEngine
from treadle.serving.simulator.vllm_core.gated_engine import GatedEngine
from treadle.serving.simulator.vllm_core.program_engine import ProgramEngine


def assemble(
    hardware: Hardware, policy: SchedulingPolicy, *, gated: bool, asynchronous: bool
) -> SimulatedEngine:
    """See `make_vllm_engine`."""
    if not gated and policy.name != StockPolicy.name:
        return ProgramEngine(hardware, policy, asynchronous=asynchronous)
    configuration = build_configuration(hardware, asynchronous=asynchronous)
    kind = AsyncScheduler if asynchronous else Scheduler
    engine = VllmEngine(
        hardware, build_scheduler(configuration, hardware, kind), ahead=1 + asynchronous
    )
    return GatedEngine(hardware, engine, policy) if gated else engine

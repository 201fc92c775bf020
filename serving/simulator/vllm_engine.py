"""The way in to the simulator's fidelity `vllm`; importing it imports no vLLM."""

from __future__ import annotations

from importlib.util import find_spec

from treadle.core.errors import ConfigError
from treadle.serving.policy.contract import SchedulingPolicy
from treadle.serving.simulator.engine import SimulatedEngine
from treadle.serving.simulator.hardware import Hardware


def make_vllm_engine(
    hardware: Hardware,
    policy: SchedulingPolicy,
    *,
    gated: bool = False,
    asynchronous: bool = False,
) -> SimulatedEngine:
    """vLLM's own scheduler and KV cache on a virtual clock, with `hardware` in place of the GPU.

    policy: the one called `vllm` is vLLM's scheduler as it is, any other runs in Treadle's.
    gated: whether the policy stands in front of a stock engine, as a router does.
    asynchronous: whether a step is scheduled before the one before it has ended: what vLLM's
        server does by default.

    Takes seconds the first time: vLLM is imported. Nothing is downloaded, there are no weights.
    A CPU tier is modelled: vLLM's connector for it needs workers (see `vllm_core.cpu_tier`).
    Raises ConfigError `simulator_vllm_missing` where vLLM is not installed.
    """
    if find_spec("vllm") is None:
        raise ConfigError(
            "simulator_vllm_missing",
            "the `vllm` simulator drives vLLM's own scheduler, and vLLM is not installed here: "
            "install vllm>=0.32,<0.34, or take the `fast` engine",
        )
    # Only now: it imports vLLM.
    from treadle.serving.simulator.vllm_core.assembly import assemble

    return assemble(hardware, policy, gated=gated, asynchronous=asynchronous)

"""The policies that the simulator knows, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from treadle.core.errors import InputError
from treadle.serving.policy.contract import SchedulingPolicy
from treadle.serving.policy.stock import StockPolicy
from treadle.serving.policy.treadle_policy import TreadlePolicy
from treadle.serving.simulator.baselines import (
    AutellixPolicy,
    ContinuumPolicy,
    ContinuumPreviewPolicy,
    InferceptPolicy,
    ThunderAgentPolicy,
)
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.simulation import Knowledge


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """A policy that can be asked for by `name`.

    make: a new one, for an engine on this hardware; it has seen nothing yet.
    knowledge: what it is told of the future.
    gated: whether it stands in front of a stock engine.
    routed: whether it is Treadle's router in front of a stock engine; `make` is the engine's then.
    about: what it does, in a line.
    """

    name: str
    make: Callable[[Hardware], SchedulingPolicy]
    about: str
    knowledge: Knowledge = "nothing"
    gated: bool = False
    routed: bool = False


def _treadle(hardware: Hardware) -> SchedulingPolicy:
    # It is told nothing of the hardware: it measures.
    return TreadlePolicy()


_ENTRIES = (
    PolicyEntry("vllm", lambda _: StockPolicy(), "vLLM's default: first come, first served"),
    PolicyEntry(
        "continuum-preview",
        lambda _: ContinuumPreviewPolicy(),
        "pins of 2 s, programs in order of arrival (preview of arXiv 2511.02230)",
    ),
    PolicyEntry(
        "continuum",
        ContinuumPolicy,
        "pins by the distribution of tool durations, programs in order of arrival "
        "(arXiv 2511.02230)",
    ),
    PolicyEntry(
        "autellix", lambda _: AutellixPolicy(), "least attained service first (arXiv 2502.13965)"
    ),
    PolicyEntry("infercept", InferceptPolicy, "preserve, discard or swap (arXiv 2402.01869)"),
    PolicyEntry(
        "thunderagent",
        ThunderAgentPolicy,
        "pauses programs, in front of a stock engine (arXiv 2602.13692)",
        gated=True,
    ),
    PolicyEntry("treadle", _treadle, "Treadle, without a plan"),
    PolicyEntry(
        "treadle+plan", _treadle, "Treadle, told how many calls a plan expects", knowledge="plan"
    ),
    PolicyEntry(
        "treadle-router",
        lambda _: StockPolicy(),
        "Treadle's router in front of a stock engine",
        routed=True,
    ),
    PolicyEntry(
        "oracle",
        lambda _: TreadlePolicy(estimate_sigma=0.1),
        "Treadle, told exactly what is to come",
        knowledge="everything",
    ),
)

POLICIES: Mapping[str, PolicyEntry] = {entry.name: entry for entry in _ENTRIES}
"""All of them, in the order in which they are listed."""


def policy_named(name: str) -> PolicyEntry:
    """The policy of this name.

    Raises InputError `unknown_policy`.
    """
    entry = POLICIES.get(name)
    if entry is None:
        raise InputError(
            "unknown_policy", f"there is no policy '{name}'; there are: {', '.join(POLICIES)}"
        )
    return entry

"""The policies that a router can be configured with, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from treadle.core.durations import ToolDurations
from treadle.serving.policy import SchedulingPolicy, StockPolicy, TreadlePolicy

_RESERVE = 0.25
"""The share of a pool that is not given out. What programs that have ended leave behind stays in
an engine's cache until its room is needed, and takes room from those that come back; the router
cannot free it. (On the simulator 0.1 evicts what is needed, with 0.35 programs wait for longer.)"""


def policy_factory(name: Literal["treadle", "vllm"]) -> Callable[[], SchedulingPolicy]:
    """What makes a policy of that name; the policies that one makes share what they learn of tools.

    A tool takes as long as it takes, whichever engine waits for it.
    """
    if name == "vllm":
        return StockPolicy
    durations = ToolDurations()
    return lambda: TreadlePolicy(durations, reserve=_RESERVE)

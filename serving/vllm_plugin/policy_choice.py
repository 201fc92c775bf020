"""From a policy's name to the policy."""

from __future__ import annotations

from importlib import import_module

from treadle.core.errors import ConfigError
from treadle.serving.policy.contract import SchedulingPolicy

POLICIES = {
    "treadle": "treadle.serving.policy:TreadlePolicy",
    "vllm": "treadle.serving.policy:StockPolicy",
}
"""The policies that have a name of their own, and where they are."""

_METHODS = (
    "arrived", "rank", "admits", "release", "started",
    "preempted", "finished", "aborted", "ended", "stepped",
)  # fmt: skip


def choose_policy(name: str) -> SchedulingPolicy:
    """The policy called `name`, or made by calling `package.module:Class` without arguments.

    Raises ConfigError (`engine_policy`) where there is none, or it is no policy.
    """
    place = POLICIES.get(name, name)
    module_name, _, class_name = place.partition(":")
    if not module_name or not class_name:
        raise ConfigError(
            "engine_policy",
            f"'{name[:80]}' is no policy's name: use one of {', '.join(POLICIES)}, or "
            f"package.module:Class for one of your own",
        )
    try:
        factory = getattr(import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            "engine_policy", f"there is no policy at '{place[:160]}': {error}"
        ) from error
    policy: SchedulingPolicy = factory()
    lacking = [each for each in _METHODS if not callable(getattr(policy, each, None))]
    if lacking:
        raise ConfigError(
            "engine_policy",
            f"'{place[:160]}' is no scheduling policy: it lacks {', '.join(lacking)} "
            f"(see treadle.serving.policy.SchedulingPolicy)",
        )
    return policy

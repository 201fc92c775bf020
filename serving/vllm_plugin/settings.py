"""How the plugin is set up: vLLM's `additional_config`, then the environment, then defaults."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from treadle.core.errors import ConfigError

ENVIRONMENT: Mapping[str, str] = {
    "policy": "TREADLE_ENGINE_POLICY",
    "max_pinned_share": "TREADLE_ENGINE_MAX_PINNED_SHARE",
    "reload_rate": "TREADLE_ENGINE_RELOAD_RATE",
    "patience_seconds": "TREADLE_ENGINE_PATIENCE_SECONDS",
}
"""The environment variable behind each setting."""

SECTION = "treadle"
"""The key in vLLM's `--additional-config` that the settings stand under."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What can be set.

    policy: by name, or `package.module:Class` for one's own (called without arguments).
    max_pinned_share: how much of the KV pool holds may take, between 0 and 1. A bound only: what
        is held within it the policy decides, and any call that needs the room gets it.
    reload_rate: tokens a second that come back from a slower tier, where there is one. None: where
        vLLM has a connector to one, 50 GB/s at first and then what is measured.
    patience_seconds: a program of which nothing is heard for so long is given up.
    """

    policy: str = "treadle"
    max_pinned_share: float = 0.9
    reload_rate: float | None = None
    patience_seconds: float = 1800.0


_DEFAULTS = EngineSettings()


def engine_settings(additional_config: object, environment: Mapping[str, str]) -> EngineSettings:
    """Read them; `additional_config` is vLLM's.

    Raises ConfigError (`engine_setting`) for a name that is not known or a value that cannot be.
    """
    given: dict[str, object] = {
        name: environment[variable]
        for name, variable in ENVIRONMENT.items()
        if environment.get(variable)
    }
    section = additional_config.get(SECTION) if isinstance(additional_config, Mapping) else None
    if section is not None:
        given.update(_section(section))
    policy = given.get("policy", _DEFAULTS.policy)
    if not isinstance(policy, str) or not policy.strip():
        raise _bad("policy", policy, "a policy's name")
    reload_rate = given.get("reload_rate")
    return EngineSettings(
        policy=policy.strip(),
        max_pinned_share=_number(given, "max_pinned_share", most=1.0),
        reload_rate=None if reload_rate is None else _number(given, "reload_rate"),
        patience_seconds=_number(given, "patience_seconds"),
    )


_NAMES = tuple(each.name for each in fields(EngineSettings))


def _section(section: object) -> dict[str, object]:
    if not isinstance(section, Mapping):
        raise ConfigError(
            "engine_setting",
            f"'{SECTION}' in --additional-config must be an object of settings, "
            f"not {json.dumps(section, default=str)[:80]}",
        )
    unknown = [str(name) for name in section if name not in _NAMES]
    if unknown:
        raise ConfigError(
            "engine_setting",
            f"'{unknown[0][:80]}' in --additional-config is no setting of Treadle's; "
            f"there are: {', '.join(_NAMES)}",
        )
    return {str(name): value for name, value in section.items() if value is not None}


def _number(given: Mapping[str, object], name: str, most: float = math.inf) -> float:
    value = given.get(name, getattr(_DEFAULTS, name))
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or not 0 < number <= most or math.isinf(number):
        limit = f" up to {most:g}" if most < math.inf else ""
        raise _bad(name, value, f"a number above 0{limit}")
    return number


def _bad(name: str, value: object, wanted: str) -> ConfigError:
    return ConfigError(
        "engine_setting",
        f"{name} is {str(value)[:80]!r}, and must be {wanted} (set it in --additional-config "
        f"under '{SECTION}', or by {ENVIRONMENT[name]})",
    )

"""Settings: what is configured, and from where.

Three sources, the first that speaks wins: what the caller passes, the environment, the user's
config file. A file in the current folder is deliberately not among them: a cloned repository
must not be able to redirect a user's model calls.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from treadle.core.errors import ConfigError
from treadle.core.prices import Price

ENVIRONMENT: Mapping[str, str] = {
    "model": "TREADLE_MODEL",
    "base_url": "TREADLE_BASE_URL",
    "api_key": "TREADLE_API_KEY",
    "prompts": "TREADLE_PROMPTS",
    "model_timeout": "TREADLE_MODEL_TIMEOUT",
    "database_url": "TREADLE_DATABASE_URL",
    "embedder": "TREADLE_EMBEDDER",
    "memory_model": "TREADLE_MEMORY_MODEL",
}
"""The environment variable behind each setting."""

_PRICES = "prices"
"""The one table of the config file; see `treadle.core.prices`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it came from ("environment variable X", "config file Y", "default")."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is configured outside of code; absent names are not configured.

    prices: of models by name, from the config file.
    """

    values: Mapping[str, Setting]
    environment: Mapping[str, str]
    prices: Mapping[str, Price] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """The value of `name`, None when it is not configured."""
        setting = self.values.get(name)
        return None if setting is None else setting.value

    def number(self, name: str, default: float) -> float:
        """The positive number `name`. Raises ConfigError (`bad_setting`) for anything else."""
        setting = self.values.get(name)
        if setting is None:
            return default
        try:
            value = float(setting.value)
        except ValueError:
            value = -1.0
        if not 0 < value < float("inf"):
            raise ConfigError(
                "bad_setting",
                f"'{setting.value}' from {setting.source} is not a positive number",
            )
        return value


def load_settings(environment: Mapping[str, str], config_file: Path) -> Settings:
    """Read the settings. Raises ConfigError (`bad_config_file`) for an unreadable file."""
    values: dict[str, Setting] = {}
    document = _read(config_file)
    prices = _prices(document.pop(_PRICES, {}), config_file)
    for name, value in document.items():
        values[name] = Setting(_text(name, value, config_file), f"config file {config_file}")
    for name, variable in ENVIRONMENT.items():
        if environment.get(variable):
            values[name] = Setting(environment[variable], f"environment variable {variable}")
    return Settings(values, environment, prices)


def _read(config_file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config_file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError("bad_config_file", f"{config_file}: {error}") from None


def _text(name: str, value: object, config_file: Path) -> str:
    if name not in ENVIRONMENT:
        known = ", ".join((*ENVIRONMENT, _PRICES))
        raise ConfigError(
            "bad_config_file", f"{config_file}: '{name}' is not a setting; known are {known}"
        )
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError("bad_config_file", f"{config_file}: '{name}' is to be a text or a number")
    return str(value)


def _prices(table: object, config_file: Path) -> dict[str, Price]:
    if not isinstance(table, dict):
        raise ConfigError(
            "bad_config_file", f'{config_file}: write prices as [prices."MODEL"] tables'
        )
    return {model: _price(model, entry, config_file) for model, entry in table.items()}


def _price(model: str, entry: object, config_file: Path) -> Price:
    where = f'{config_file}: [prices."{model}"]'
    if not isinstance(entry, dict):
        raise ConfigError("bad_config_file", f"{where} is to be a table")
    unknown = entry.keys() - {"prompt", "cached", "completion"}
    if unknown or not {"prompt", "completion"} <= entry.keys():
        raise ConfigError(
            "bad_config_file",
            f"{where} takes 'prompt', 'completion' and, if you like, 'cached': prices of a "
            f"million tokens",
        )
    try:
        return Price(**entry)
    except ConfigError as error:
        raise ConfigError("bad_config_file", f"{where}: {error.message}") from None

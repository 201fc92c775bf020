"""Where the user's settings and state are."""

from __future__ import annotations

import os
from pathlib import Path

from treadle.core.settings import Settings, load_settings


def user_settings() -> Settings:
    """The settings of this process: the environment and the user's config file."""
    return load_settings(os.environ, config_file())


def state_folder(settings: Settings) -> Path:
    """Where history, artifacts and the database are: TREADLE_STATE_DIR, or the user's own."""
    chosen = settings.environment.get("TREADLE_STATE_DIR")
    if chosen:
        return Path(chosen)
    from platformdirs import user_state_path

    return user_state_path("treadle")


def config_file() -> Path:
    """The user's config file, which need not exist; TREADLE_CONFIG_DIR moves it."""
    folder = os.environ.get("TREADLE_CONFIG_DIR")
    if folder:
        return Path(folder) / "config.toml"
    from platformdirs import user_config_path

    return user_config_path("treadle") / "config.toml"

"""The official SDK, which is an extra."""

from __future__ import annotations

from treadle.core.errors import ConfigError


def check_sdk() -> None:
    """Raises ConfigError (`missing_extra`) where the SDK, or a part of it, is not installed."""
    try:
        import mcp  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            "missing_extra", f"{error.name} is not installed: pip install 'treadle[mcp]'"
        ) from error

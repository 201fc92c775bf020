"""The router: programs' calls, in order and in the right place, over engines that may be stock."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.serving.router.app import make_app
    from treadle.serving.router.config import RouterConfig, load_config
    from treadle.serving.router.errors import RouterError
    from treadle.serving.router.gate import Dispatch, GateLimits, ProgramGate
    from treadle.serving.router.lane import Upstream
    from treadle.serving.router.server import serve

__all__ = [
    "Dispatch",
    "GateLimits",
    "ProgramGate",
    "RouterConfig",
    "RouterError",
    "Upstream",
    "load_config",
    "make_app",
    "serve",
]

# The gate needs no web server; only what is asked for is imported.
_HOMES = {
    "Dispatch": "gate",
    "GateLimits": "gate",
    "ProgramGate": "gate",
    "RouterConfig": "config",
    "RouterError": "errors",
    "Upstream": "lane",
    "load_config": "config",
    "make_app": "app",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    return value

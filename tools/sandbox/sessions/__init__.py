"""Stateful sessions behind a boundary: Python, bash and SQL."""

from treadle.tools.sandbox.sessions.opening import open_session
from treadle.tools.sandbox.sessions.session import (
    SandboxSession,
    SessionEnded,
    SessionKind,
    SessionLimits,
)

__all__ = ["SandboxSession", "SessionEnded", "SessionKind", "SessionLimits", "open_session"]

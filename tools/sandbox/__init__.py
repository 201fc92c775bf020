"""Running code that is not trusted: what a sandbox is asked for, and what it answers."""

from treadle.tools.sandbox.contract import (
    CodeRunner,
    RunStatus,
    SandboxLevel,
    SandboxLimits,
    SandboxPolicy,
    SandboxResult,
    SandboxUsage,
)
from treadle.tools.sandbox.probing import LevelReport, SandboxProbe, probe, probe_async
from treadle.tools.sandbox.sandbox import Sandbox

__all__ = [
    "CodeRunner",
    "LevelReport",
    "RunStatus",
    "Sandbox",
    "SandboxLevel",
    "SandboxLimits",
    "SandboxPolicy",
    "SandboxProbe",
    "SandboxResult",
    "SandboxUsage",
    "probe",
    "probe_async",
]

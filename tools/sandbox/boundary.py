"""A process behind a boundary, with pipes to it: what every kind of execution is built on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from treadle.tools.sandbox.contract import RunStatus, SandboxLevel, SandboxLimits, SandboxUsage


@dataclass(frozen=True, slots=True)
class Grants:
    """What a process may have beside its workspace. Given by the host, never by a model.

    read, write: folders of the host and where they appear inside.
    environment: variables; there are no others but PATH, HOME, LANG and the like.
    sockets: unix sockets of the host and where they appear inside (for a proxy, say).
    """

    read: Mapping[Path, str] = field(default_factory=dict)
    write: Mapping[Path, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    sockets: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BoundaryEnd:
    """How a process behind a boundary ended, with all that it had started.

    status: `ok` and `error` by exit code; the others where the host ended it.
    signal: that ended it, where it was none of the host's; 0 otherwise.
    """

    status: RunStatus
    exit_code: int | None
    reason: str
    usage: SandboxUsage
    signal: int = 0


class BoundaryProcess(Protocol):
    """A process that has been started; its pipes are plain descriptors of the host."""

    stdin: int
    stdout: int
    stderr: int

    async def wait(self) -> BoundaryEnd:
        """Until it has ended, its limits have ended it, or `kill` has. Nothing is left of it."""
        ...

    async def kill(self, status: RunStatus = "killed", reason: str = "") -> None:
        """End it and everything that it started, daemons too."""
        ...

    def release(self, descriptor: int) -> None:
        """Close one of its descriptors; once is enough, more does no harm."""
        ...


class Boundary(Protocol):
    """Starts processes behind a boundary of one level."""

    @property
    def level(self) -> SandboxLevel:
        """How strong it is on this machine."""
        ...

    async def start(
        self, argv: Sequence[str], *, limits: SandboxLimits, grants: Grants | None = None
    ) -> BoundaryProcess:
        """Start `argv` (paths as seen inside) in an empty workspace, its working directory.

        Raises ToolError (`sandbox_unavailable`, `sandbox_failed`).
        """
        ...

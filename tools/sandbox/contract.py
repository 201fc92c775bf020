"""What is asked of a sandbox, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from treadle.core.json_value import JsonValue

RunStatus: TypeAlias = Literal["ok", "error", "timeout", "memory", "killed", "refused"]
"""Why an execution ended.

ok: by itself, with exit code 0. error: by itself, with another one, or an exception. timeout: it
had its seconds. memory: it had its memory. killed: by a signal, or for another limit (processes,
disk, output). refused: it never began: no level that is asked for is to be had, or its input is
none.
"""


class SandboxLevel(StrEnum):
    """How strong a boundary is, from the weakest to the strongest.

    unsafe: none; resource limits only. Never chosen by itself.
    seatbelt: macOS' sandbox-exec (untested).
    confined: Landlock, seccomp and another uid in the host's namespaces; no network.
    container: a container engine's.
    remote: another machine's.
    user: namespaces, seccomp and Landlock as an ordinary user; totals over all processes of an
        execution are not bounded where no cgroup is writable.
    strict: the same under a uid of its own for each execution, with memory, processes and disk
        bounded in total.
    """

    UNSAFE = "unsafe"
    SEATBELT = "seatbelt"
    CONFINED = "confined"
    CONTAINER = "container"
    REMOTE = "remote"
    USER = "user"
    STRICT = "strict"

    @property
    def rank(self) -> int:
        """0 for the weakest."""
        return list(SandboxLevel).index(self)


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Bounds of one execution; each of them ends it.

    seconds: on the wall. cpu_seconds: of one process.
    memory_bytes: of all its processes together where a cgroup is to be had, of each one otherwise.
    processes: processes and threads. disk_bytes: of the workspace. file_bytes: of one file.
    output_bytes: of stdout and of stderr, each.
    open_files: descriptors of one process.
    result_files, result_bytes: how many files come back, and how large they are in total.
    """

    seconds: float = 10.0
    cpu_seconds: float = 10.0
    memory_bytes: int = 512 * 1024 * 1024
    processes: int = 64
    disk_bytes: int = 64 * 1024 * 1024
    file_bytes: int = 32 * 1024 * 1024
    output_bytes: int = 256 * 1024
    open_files: int = 256
    result_files: int = 64
    result_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SandboxPolicy:
    """What the host demands and grants. Never made from anything that a model says.

    min_level: nothing weaker is used: where it is not to be had, the execution is refused.
    unsafe: allows the level `unsafe`, which is no boundary at all.
    trust_domain: executions of different domains never share a warm worker.
    """

    min_level: SandboxLevel = SandboxLevel.CONFINED
    unsafe: bool = False
    trust_domain: str = ""


@dataclass(frozen=True, slots=True)
class SandboxUsage:
    """What an execution used; None where that cannot be known at its level."""

    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """How an execution ended. Everything in it comes from code that is not trusted.

    exit_code: of the process; None where it was killed or never began.
    level: that it ran at; for what was refused, and ran at none, the one that was demanded.
    value: what the code gave back as JSON (the last expression of a Python snippet); None for
        nothing.
    files: what it left in the workspace and was asked for, by relative path: regular files only.
    reason: why it ended, in words, where it is not `ok`; also what was left out (`files` too
        large, output cut).
    truncated: whether stdout or stderr were cut at the limit.
    """

    status: RunStatus
    exit_code: int | None
    stdout: str
    stderr: str
    level: SandboxLevel
    seconds: float
    value: JsonValue = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    reason: str = ""
    truncated: bool = False
    usage: SandboxUsage = SandboxUsage()


class CodeRunner(Protocol):
    """What runs code that is not trusted: a Sandbox, or a stand-in for it in tests."""

    async def run(
        self,
        code: str | None = None,
        *,
        command: Sequence[str] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        results: Sequence[str] = (),
        limits: SandboxLimits | None = None,
        policy: SandboxPolicy | None = None,
    ) -> SandboxResult:
        """Run `code` (Python) or `command` (a program of /usr with its arguments).

        files: put into the workspace before, by relative path. results: relative paths or globs
        (`**` too) of what to bring back.
        """
        ...

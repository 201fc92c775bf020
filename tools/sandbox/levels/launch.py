"""What the host tells the first program inside, and how that program gets in there."""

from __future__ import annotations

import asyncio
import functools
import marshal
import math
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

from treadle.core.errors import ToolError
from treadle.tools.sandbox.contract import SandboxLimits

CONTROL = 3
"""The descriptor that the first program gets its request on."""
WORKSPACE_SECONDS = 10.0
SNIPPET_NAME = "main.py"
BOOT = """\
import marshal,os
d=bytearray()
n=8
while len(d)<n:
    p=os.read(3,1<<20)
    if not p:os._exit(125)
    d+=p
    if n==8<=len(d):n=8+int.from_bytes(d[:8],'big')
r=marshal.loads(memoryview(d)[8:])
del d,n,p
exec(r.pop('program'),{'__name__':'launch','request':r})
"""
"""Gets the request, whose first part is the program that carries it out."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What is to be started inside.

    argv: a program, as the inside sees it; None to run `code` in the first program's own Python.
    files: put into the workspace before. writable, readable, listable: the places that Landlock
    leaves. landlock: the version of it that there must be. calls: the system call filter, where
    nothing else sets it. per_process: the memory limit is each process's, for want of a cgroup.
    """

    limits: SandboxLimits
    workspace: str
    writable: Sequence[str]
    readable: Sequence[str]
    processes: int
    argv: Sequence[str] | None = None
    code: str | None = None
    token: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    landlock: int = 0
    listable: Sequence[str] = ("/",)
    calls: bytes | None = None
    per_process: bool = False

    def framed(self) -> bytes:
        """The request: its length in 8 bytes, then marshalled data.

        Only the host writes this, only the same version of Python reads it, before any code that
        is not trusted runs: nothing that comes back is ever read this way.
        """
        body = marshal.dumps(
            {
                "program": _compiled("launch_program.py"),
                "snippet": None if self.code is None else _compiled("snippet_program.py"),
                "argv": None if self.argv is None else list(self.argv),
                "code": self.code,
                "token": self.token,
                "name": SNIPPET_NAME,
                "files": list(self.files.items()),
                "workspace": self.workspace,
                "writable": list(self.writable),
                "readable": list(self.readable),
                "listable": list(self.listable),
                "landlock": self.landlock,
                "calls": self.calls,
                "limits": resource_limits(self.limits, self.processes, self.per_process),
                "environment": dict(self.environment),
            }
        )
        return len(body).to_bytes(8, "big") + body


def boot_command(python: Path) -> list[str]:
    """The first program's command line. python: as the inside sees it.

    Unbuffered (-u): what code has written is not lost when it is ended, by whatever.
    """
    return [str(python), "-I", "-S", "-u", "-c", BOOT]


@functools.cache
def _compiled(name: str) -> CodeType:
    source = Path(__file__).with_name(name).read_bytes()
    return compile(source, f"<{name.removesuffix('.py')}>", "exec", dont_inherit=True)


def resource_limits(
    limits: SandboxLimits, processes: int, per_process: bool
) -> list[tuple[str, int]]:
    """Names in the `resource` module, and what they are set to."""
    memory = [("RLIMIT_AS", limits.memory_bytes)] if per_process else []
    return [
        *memory,
        ("RLIMIT_CPU", processor_seconds(limits.cpu_seconds)),
        ("RLIMIT_FSIZE", limits.file_bytes),
        ("RLIMIT_NOFILE", limits.open_files),
        # Where a cgroup bounds the total, that is the one to tell of it.
        ("RLIMIT_NPROC", processes if per_process else processes + 16),
        ("RLIMIT_MEMLOCK", 0),
        ("RLIMIT_MSGQUEUE", 0),
        ("RLIMIT_SIGPENDING", 1024),
    ]


def processor_seconds(seconds: float) -> int:
    """What RLIMIT_CPU is set to for that: whole seconds, and -1 (none) for infinitely many."""
    return -1 if math.isinf(seconds) else max(1, math.ceil(seconds))


async def hand_in(control: socket.socket, launch: Launch) -> int:
    """Send the request, receive the workspace: its descriptor stays readable after the end.

    Raises ToolError (`sandbox_failed`) where the first program ends before it got that far.
    """
    control.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(WORKSPACE_SECONDS):
            await loop.sock_sendall(control, launch.framed())
            return await _received(control)
    except (OSError, TimeoutError) as error:
        raise ToolError("sandbox_failed", f"the sandbox did not start: {error}") from error


async def _received(control: socket.socket) -> int:
    while True:
        await _readable(control)
        try:
            data, descriptors, _flags, _from = socket.recv_fds(control, 16, 1)
        except BlockingIOError:
            continue
        if not data or not descriptors:
            raise ConnectionError("its first program ended")
        os.set_inheritable(descriptors[0], False)
        return descriptors[0]


async def _readable(control: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(control, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(control)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)

"""The host's side of the warden: one for each host process, started when it is first needed."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treadle.core.errors import ToolError
from treadle.tools.sandbox.levels.cgroup_places import cgroup_parents
from treadle.tools.sandbox.levels.interpreter import Interpreter
from treadle.tools.sandbox.levels.subordinate_ids import (
    STAGE,
    SubordinateIds,
    subordinate_ids,
)
from treadle.tools.sandbox.levels.uid_range import UidRange
from treadle.tools.sandbox.levels.warden_side.messages import (
    PACKET_BYTES,
    Opening,
    Request,
    Settings,
    Uids,
)

READY_SECONDS = 10.0
START_SECONDS = 10.0
BOOT = """\
import sys, types
from importlib import import_module
top = sys.argv[1]
for name, place in (("treadle", ""), ("treadle.tools", ""), ("treadle.tools.sandbox", ""),
                    ("treadle.tools.sandbox.levels", top)):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = [place] if place else []
import_module("treadle.tools.sandbox.levels.warden_side.program").main(int(sys.argv[2]))
"""
"""The warden is part of this package, and must not load the rest of it: the packages above it
are empty stand-ins there."""


@dataclass(frozen=True, slots=True)
class Started:
    """What the warden has started: its process id, its uid (None: the host's), and the lifeline.

    opener: the warden, where its files are another uid's that the host may not read.
    """

    pid: int
    uid: int | None
    lifeline: socket.socket
    opener: Warden | None = None


class Warden:
    """Starts processes through the warden program, which it starts itself.

    uids, subordinate: what executions are given as root, and as an ordinary user; what the machine
    has by default. root: whether this is root. cgroups: whether totals are bounded. stage: the
    folder where the warden shows folders of the host to the uids that executions get of their own;
    None where they get none, for an ordinary user without subordinate ids. no_range: why that is
    so, in words. An ordinary user's `stage` and `no_range` may change while it is started: see
    `ready`.
    """

    def __init__(
        self,
        *,
        cgroups: Mapping[str, str],
        uids: UidRange | None = None,
        subordinate: SubordinateIds | None = None,
    ) -> None:
        self.root = os.geteuid() == 0
        self.cgroups = dict(cgroups)
        self._uids = uids or UidRange.configured()
        self.stage: str | None = "/run/treadle/stage" if self.root else None
        self.no_range = ""
        self._subordinate: SubordinateIds | None = None
        if not self.root:
            found = subordinate or subordinate_ids()
            if isinstance(found, str):
                self.no_range = found
            else:
                self._subordinate, self.stage = found, STAGE
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def give_up_range(self, why: str) -> bool:
        """Go on without subordinate ids, for that reason; whether there were any."""
        if self._subordinate is None:
            return False
        self.stop()
        self.no_range, self._subordinate, self.stage = why, None, None
        return True

    async def ready(self) -> None:
        """Have it started, so that it is known what executions get.

        Raises ToolError (`sandbox_unavailable`).
        """
        if not self.running:
            await asyncio.to_thread(self.start)

    def start(self) -> None:
        """Start the program unless it runs. Raises ToolError (`sandbox_unavailable`)."""
        with self._lock:
            if not self.running:
                self._start()

    def _start_again(self) -> None:
        with self._lock:
            if self._process is not None and self._owner == os.getpid():
                self._process.kill()
                self._process.wait(READY_SECONDS)
            self._start()

    @property
    def pid(self) -> int | None:
        """The program's process id; None where it does not run."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the program runs, for this process: after a fork it is the parent's."""
        alive = self._process is not None and self._process.poll() is None
        return alive and self._owner == os.getpid()

    def _start(self) -> None:
        if self._subordinate is not None:
            try:
                self._start_program()
            except ToolError as error:
                # The probe reports it: what is bounded then is said without the range.
                self.no_range = error.message
                self._subordinate = self.stage = None
            else:
                return
        self._start_program()

    def _start_program(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for each in (ours, theirs):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * PACKET_BYTES)
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    _command(theirs.fileno()),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={},
                )
            except OSError as error:
                ours.close()
                raise ToolError(
                    "sandbox_unavailable", f"the sandbox's warden cannot be started: {error}"
                ) from error
        ours.settimeout(READY_SECONDS)
        settings: Settings = {
            "uids": self._uids_message(),
            "mapping": None if self._subordinate is None else self._subordinate.as_mapping(),
            "stage": self.stage,
            "staged": {"python": str(Interpreter.current().prefix)},
            "cgroups": dict(self.cgroups),
        }
        try:
            ours.send(json.dumps(settings).encode())
            answer = json.loads(ours.recv(PACKET_BYTES) or b'{"failed": "it ended at once"}')
        except OSError as error:
            answer = {"failed": str(error)}
        if "ready" not in answer:
            ours.close()
            self._process.kill()
            self._process.wait(READY_SECONDS)
            self._process = None
            raise ToolError("sandbox_unavailable", f"the sandbox's warden: {answer['failed']}")
        ours.setblocking(False)
        if self._control is None:
            atexit.register(self.stop)
        else:
            self._control.close()
        self._control, self._owner = ours, os.getpid()

    def _uids_message(self) -> Uids | None:
        if self.root:
            return self._uids.as_message()
        return None if self._subordinate is None else self._subordinate.as_uids()

    async def execute(
        self,
        argv: Sequence[str],
        descriptors: Sequence[int],
        *,
        seconds: float,
        memory_bytes: int,
        processes: int,
        stage: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
        confined: int | None = None,
        leased: bool = True,
    ) -> Started:
        """Start `argv` with `descriptors` as its 0, 1, 2, ...

        stage: what of the host is bound where before (as root). leased: with a uid of its own,
        where there are any. confined: see Request. Raises ToolError (`sandbox_unavailable`,
        `sandbox_failed`, `sandbox_busy`).
        """
        request: Request = {
            "argv": list(argv),
            "leased": leased,
            "seconds": seconds,
            "memory_bytes": memory_bytes,
            "processes": processes,
            "stage": dict(stage),
            "environment": dict(environment or {}),
            "confined": confined,
        }
        ours, answer = await self._asked(request, descriptors)
        if "started" not in answer:
            ours.close()
            code = "sandbox_busy" if answer.get("busy") else "sandbox_failed"
            raise ToolError(
                code,
                f"the sandbox could not start: {answer.get('failed', 'the warden hung up')}",
                retryable=code == "sandbox_busy",
            )
        own = None if self._subordinate is None or not leased else self
        return Started(answer["started"], answer["uid"], ours, own)

    async def open_up(self, folder: int) -> None:
        """Let the host read all that is in an open folder, which holds what a uid left behind.

        Raises ToolError (`sandbox_unavailable`, `sandbox_failed`).
        """
        ours, answer = await self._asked({"open_up": True}, [folder])
        ours.close()
        if "opened" not in answer:
            why = answer.get("failed", "that took too long")
            raise ToolError("sandbox_failed", f"its files could not be made readable: {why}")

    async def _asked(
        self, request: Request | Opening, descriptors: Sequence[int]
    ) -> tuple[socket.socket, dict[str, Any]]:
        """Send it; the lifeline, and the first answer on it."""
        await self.ready()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            with theirs:
                packet, sent = json.dumps(request).encode(), [theirs.fileno(), *descriptors]
                try:
                    await self._send(packet, sent)
                except (BrokenPipeError, ConnectionResetError):
                    # It was killed a moment ago, and has not taken the request: a new one will.
                    await asyncio.to_thread(self._start_again)
                    await self._send(packet, sent)
            async with asyncio.timeout(START_SECONDS):
                return ours, json.loads(await loop.sock_recv(ours, PACKET_BYTES) or b"{}")
        except (OSError, TimeoutError) as error:
            ours.close()
            raise ToolError("sandbox_failed", f"the sandbox's warden: {error}") from error
        except BaseException:
            ours.close()
            raise

    async def _send(self, data: bytes, descriptors: list[int]) -> None:
        control = self._control
        assert control is not None
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    socket.send_fds(control, [data], descriptors)
                    return
                except BlockingIOError:
                    # The warden is busy with others; its queue of requests is full.
                    await asyncio.sleep(0.005)

    def stop(self) -> None:
        """End the program, and with it everything that it has started."""
        with self._lock:
            if self._control is not None:
                self._control.close()
                self._control = None
            if self._process is not None:
                if self._owner == os.getpid():
                    self._process.wait(READY_SECONDS)
                else:
                    self._process.poll()  # the parent's; this one has nobody to wait for
            self._process = None


def _command(descriptor: int) -> list[str]:
    python, folder = str(Interpreter.current().host_path), str(Path(__file__).parent)
    return [python, "-I", "-S", "-c", BOOT, folder, str(descriptor)]


_shared: dict[bool, Warden] = {}


def shared_warden(*, cgroups: bool = True) -> Warden:
    """The warden of this process; without `cgroups`, one that does without them."""
    if cgroups not in _shared:
        _shared[cgroups] = Warden(cgroups=cgroup_parents() if cgroups else {})
    return _shared[cgroups]

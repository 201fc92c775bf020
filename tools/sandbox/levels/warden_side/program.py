"""The warden's loop: requests from the host, ends of executions, limits that time brings."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from treadle.tools.sandbox.levels.warden_side import kernel
from treadle.tools.sandbox.levels.warden_side.become import become
from treadle.tools.sandbox.levels.warden_side.cgroups import END_SECONDS, Cgroups, sweep
from treadle.tools.sandbox.levels.warden_side.execution import Execution
from treadle.tools.sandbox.levels.warden_side.messages import (
    PACKET_BYTES,
    Opening,
    Request,
    Settings,
)
from treadle.tools.sandbox.levels.warden_side.subordinate import enter, open_up, try_out
from treadle.tools.sandbox.levels.warden_side.uid_pool import UidPool

CHECK_SECONDS = 0.05
"""How often the limits that no descriptor tells of are looked at."""
END_CHECK_SECONDS = 0.0005
"""The same while something is going away."""
MOST_DESCRIPTORS = 32
PREFIX = "treadle-"


class Warden:
    """Answers the host's requests until the host is gone."""

    def __init__(self, control: socket.socket, settings: Settings) -> None:
        self._control = control
        self._settings = settings
        self._selector = selectors.DefaultSelector()
        self._live: set[Execution] = set()
        self._ending: set[Execution] = set()
        self._children = Path(f"/proc/self/task/{os.getpid()}/children")
        self._openers: set[int] = set()
        self._pool: UidPool | None = None
        self._names = 0
        self._checked = 0.0

    def prepare(self) -> None:
        """Take what executions get of their own: uids to lease, a place to show folders at."""
        if self._children.exists():
            kernel.prctl(kernel.CHILD_SUBREAPER, 1)
        stage, uids = self._settings["stage"], self._settings["uids"]
        if stage is None or uids is None:
            return
        mapping = self._settings["mapping"]
        if mapping is not None:
            enter(mapping)
            try_out(stage, self._settings["staged"], mapping["first_uid"])
        self._pool = UidPool(uids["folder"], uids["first"], uids["count"])
        self._sweep(self._pool)
        if mapping is not None:
            return  # what is granted is reached as the user, and each execution has its own stage
        kernel.unshare(kernel.NEW_MOUNTS)
        kernel.mount("none", "/", None, kernel.RECURSIVE | kernel.SLAVE)
        os.makedirs(stage, exist_ok=True)
        flags = kernel.NO_SUID | kernel.NO_DEVICES
        kernel.mount("tmpfs", stage, "tmpfs", flags, "mode=0755,size=1m")
        for name, source in self._settings["staged"].items():
            kernel.bind(source, f"{stage}/{name}")

    def _sweep(self, pool: UidPool) -> None:
        """Take away the cgroups that wardens which were killed have left."""
        for name in sweep(self._settings["cgroups"], PREFIX):
            uid = name.removeprefix(PREFIX)
            if not uid.isdigit() or int(uid) not in pool:
                continue
            held = pool.try_lease(int(uid))
            if held is not None:
                try:
                    Cgroups.named(self._settings["cgroups"], name).remove()
                finally:
                    os.close(held)

    def serve(self) -> None:
        """Until the host is gone."""
        self._listen(self._control.fileno(), self._request)
        while True:
            self._step()

    def _step(self) -> None:
        wait = END_CHECK_SECONDS if self._ending else CHECK_SECONDS if self._live else None
        for key, _ in self._selector.select(wait):
            # One event may have ended what the next one is about.
            if key.fd in self._selector.get_map():
                key.data()
        self._check()
        self._finish()

    def _listen(self, descriptor: int, heard: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, heard)

    def _request(self) -> None:
        data, descriptors, _flags, _from = socket.recv_fds(
            self._control, PACKET_BYTES, MOST_DESCRIPTORS
        )
        if not data:
            self._end_all()
            sys.exit(0)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        lifeline = socket.socket(fileno=descriptors[0])
        lifeline.setblocking(False)
        request: Request | Opening = json.loads(data)
        if "open_up" in request:
            self._open_up(lifeline, descriptors[1:])
            return
        execution = Execution(lifeline, request["seconds"], self._pool)
        try:
            self._start(execution, request, descriptors[1:])
        except OSError as error:
            execution.say({"failed": str(error), "busy": isinstance(error, BlockingIOError)})
            execution.abandon()
        finally:
            for descriptor in descriptors[1:]:
                os.close(descriptor)

    def _open_up(self, lifeline: socket.socket, descriptors: list[int]) -> None:
        """In a process of its own: what hostile code left behind may be much."""
        child = os.fork()
        if child == 0:
            try:
                open_up(descriptors[0])
                lifeline.send(json.dumps({"opened": True}).encode())
            except OSError as error:
                lifeline.send(json.dumps({"failed": str(error)}).encode())
            finally:
                os._exit(0)
        self._reap_openers()
        self._openers.add(child)
        lifeline.close()
        for descriptor in descriptors:
            os.close(descriptor)

    def _start(self, execution: Execution, request: Request, descriptors: list[int]) -> None:
        self._names += 1
        name = f"{PREFIX}{os.getpid()}-{self._names}"
        if self._pool is not None and request["leased"]:
            execution.uid, execution.lock = self._pool.lease()
            name = f"{PREFIX}{execution.uid}"
        parents = self._settings["cgroups"]
        if parents:
            execution.cgroups = Cgroups.create(
                parents, name, request["memory_bytes"], request["processes"]
            )
        failure, write = os.pipe2(os.O_CLOEXEC)
        execution.pid = os.fork()
        if execution.pid == 0:
            become(
                request,
                cgroups=execution.cgroups,
                uid=execution.uid,
                descriptors=descriptors,
                failure=write,
                stage=self._settings["stage"],
                staged={} if self._settings["mapping"] is None else self._settings["staged"],
            )
        os.close(write)
        # The write end closes when the program is executed: nothing in it means that it was.
        failed = os.read(failure, 4096)
        os.close(failure)
        if failed:
            os.waitpid(execution.pid, 0)
            raise OSError(failed.decode(errors="replace"))
        execution.gentle = request["confined"] is not None and execution.uid is None
        self._watch(execution)

    def _watch(self, execution: Execution) -> None:
        execution.pidfd = os.pidfd_open(execution.pid)
        self._live.add(execution)
        self._listen(execution.pidfd, lambda: self._ended(execution))
        self._listen(execution.lifeline.fileno(), lambda: self._told(execution))
        execution.say({"started": execution.pid, "uid": execution.uid})

    def _told(self, execution: Execution) -> None:
        try:
            data = execution.lifeline.recv(4096)
        except OSError:
            data = b""
        if data:
            _kill, status, reason = [*data.decode().split(" ", 2), "", ""][:3]
            execution.end(status, reason)
        else:
            self._selector.unregister(execution.lifeline.fileno())
            execution.end("killed", "the host let go of it")

    def _check(self) -> None:
        now = time.monotonic()
        if now < self._checked + CHECK_SECONDS / 2:
            return
        self._checked = now
        for execution in list(self._live):
            if now >= execution.deadline:
                execution.end("timeout", f"it took more than its {execution.seconds:g} s")
            elif execution.verdict is None:
                found = execution.cgroups.overstepped()
                if found is not None:
                    execution.end(*found)

    def _ended(self, execution: Execution) -> None:
        self._selector.unregister(execution.pidfd)
        if execution.lifeline.fileno() in self._selector.get_map():
            self._selector.unregister(execution.lifeline.fileno())
        self._live.discard(execution)
        execution.ended()
        self._ending.add(execution)

    def _finish(self) -> None:
        """See what is gone of those that have ended."""
        if not self._ending:
            return
        orphans = self._end_orphans()
        for execution in list(self._ending):
            if execution.finished(orphans):
                self._ending.discard(execution)

    def _end_orphans(self) -> bool:
        """End and collect what has come here from executions that are over; whether any was left.

        The first process of a process namespace is among them: it is gone when all of it is.
        """
        try:
            children = self._children.read_text().split()
        except OSError:
            return False  # a kernel without that list, where the warden is no subreaper
        left = False
        self._reap_openers()
        known = self._openers | {each.pid for each in self._live}
        for child in set(map(int, children)) - known:
            with suppress(ChildProcessError, ProcessLookupError):
                os.kill(child, signal.SIGKILL)
                left = os.waitpid(child, os.WNOHANG)[0] == 0 or left
        return left

    def _reap_openers(self) -> None:
        for child in list(self._openers):
            if os.waitpid(child, os.WNOHANG)[0]:
                self._openers.discard(child)

    def _end_all(self) -> None:
        """The host is gone: nothing of it may stay."""
        self._selector.unregister(self._control.fileno())
        for execution in list(self._live):
            execution.end("killed", "the host is gone")
        deadline = time.monotonic() + 2 * END_SECONDS
        while (self._live or self._ending) and time.monotonic() < deadline:
            self._step()


def main(descriptor: int) -> None:
    """Run on the control socket at `descriptor`; the settings come as its first packet."""
    # It was handed over at the number that the host had it at, which may be any.
    os.set_inheritable(descriptor, False)
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=descriptor)
    settings: Settings = json.loads(control.recv(PACKET_BYTES))
    warden = Warden(control, settings)
    try:
        warden.prepare()
    except OSError as error:
        control.send(json.dumps({"failed": str(error)}).encode())
        sys.exit(1)
    control.send(json.dumps({"ready": os.getpid()}).encode())
    warden.serve()

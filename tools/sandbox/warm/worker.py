"""One warm interpreter: executions one after the other, or its end."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits, SandboxResult
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.frames import FrameError, encode_frame
from treadle.tools.sandbox.spelled_out import spelled_out
from treadle.tools.sandbox.warm.gathering import Gathering
from treadle.tools.sandbox.warm.guest_process import GuestLost, GuestProcess, HostedBoundary
from treadle.tools.sandbox.warm.messages import ZYGOTE, guest_limits
from treadle.tools.sandbox.workspace_files import CollectedFiles, collect

GRACE_SECONDS: Final = 1.5
"""How much longer than its own limit the zygote may take to say that an execution is over."""

TURN_SECONDS: Final = 4.0
"""For ending what is left, and for wiping."""

LIFE_SECONDS: Final = 24 * 3600.0


def worker_limits(limits: SandboxLimits) -> SandboxLimits:
    """Those of the boundary around all executions of a worker: the totals stay as they are."""
    usual = SandboxLimits()
    return replace(
        limits,
        seconds=LIFE_SECONDS,
        cpu_seconds=LIFE_SECONDS,
        output_bytes=usual.output_bytes,
        result_files=usual.result_files,
        result_bytes=usual.result_bytes,
        open_files=max(limits.open_files, 64),
        # Two more than the caller's: the zygote, and what watches the snippet.
        processes=limits.processes + 2,
    )


@dataclass(frozen=True, slots=True)
class Task:
    """A snippet, the files before it by checked names, those wanted after it, its limits."""

    code: str
    files: Mapping[str, bytes]
    results: WantedFiles
    limits: SandboxLimits


class _Changed(Exception):
    """The zygote says that things are not as they were before."""


class WarmWorker:
    """A zygote behind a boundary of its own."""

    def __init__(self, guest: GuestProcess, level: SandboxLevel) -> None:
        self._guest = guest
        self._level = level
        self._wiping = False
        self.executions = 0
        self.sound = True

    @classmethod
    async def start(
        cls, boundary: HostedBoundary, limits: SandboxLimits, *, idle_seconds: float
    ) -> WarmWorker:
        """Start one. Raises ToolError (`sandbox_failed`, or what the boundary raises)."""
        options: dict[str, JsonValue] = {
            "idle_seconds": idle_seconds,
            "outside": dict(own_namespaces()),
        }
        guest = await GuestProcess.start(
            boundary, "zygote", options, ZYGOTE, limits=worker_limits(limits)
        )
        return cls(guest, boundary.level)

    async def ready(self) -> bool:
        """Wait until everything is as before the last execution; False where it will not be."""
        if self._wiping:
            try:
                await self._turn("w", asyncio.get_running_loop().time() + TURN_SECONDS)
            except (GuestLost, FrameError, _Changed):
                self.sound = False
            self._wiping = False
        return self.sound

    async def run(self, task: Task) -> SandboxResult | None:
        """Run it; None where the worker had ended before it began.

        Whatever is unusual ends the worker: it is `sound` no more.
        """
        self.executions += 1
        gathering = Gathering(task.limits)
        found = CollectedFiles()
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline = started + task.limits.seconds + GRACE_SECONDS
        try:
            await self._guest.send(self._request(task), deadline)
            await self._follow(gathering, deadline)
            if task.results and self.sound:
                found = await self._collected(task)
                await self._guest.send([b"w"], loop.time() + TURN_SECONDS)
                self._wiping = True
        except GuestLost as lost:
            if not await self._lost(gathering, lost):
                return None
        except _Changed:
            gathering.stop("killed", "it changed, or left, what cannot be undone")
            await self.end()
        except FrameError as error:
            gathering.stop("killed", error.message)
            await self.end()
        if gathering.signal == signal.SIGKILL and self.sound:
            # Out of memory looks like this from inside; its boundary knows better.
            await self._blame(gathering)
        return gathering.result(self._level, loop.time() - started, found)

    def _request(self, task: Task) -> list[bytes]:
        parts = [b"r"]
        for path, content in task.files.items():
            data = base64.b64encode(content).decode("ascii")
            parts.append(encode_frame({"kind": "file", "path": path, "data": data}))
        bounded = self._level is SandboxLevel.STRICT
        data_bytes = None if bounded else task.limits.memory_bytes
        inside = dict(guest_limits(task.limits, data_bytes=data_bytes))
        parts.append(encode_frame({"kind": "run", "code": task.code, "limits": inside}))
        if not task.results:
            # Nothing is to be read from the workspace: it may be wiped right away.
            parts.append(b"w")
            self._wiping = True
        return parts if task.files else [b"".join(parts)]

    async def _collected(self, task: Task) -> CollectedFiles:
        # Nothing of the execution runs any more. A thread may outlive a cancelled call: it has a
        # descriptor of its own.
        def read(descriptor: int) -> CollectedFiles:
            try:
                return collect(descriptor, task.results, task.limits)
            finally:
                os.close(descriptor)

        closed = await self._guest.open_up()
        found = await asyncio.to_thread(read, os.dup(self._guest.workspace))
        if closed:
            found.left_out.append(closed)
        return found

    async def _follow(self, gathering: Gathering, deadline: float) -> None:
        """Until the zygote has ended whatever the execution has left."""
        while True:
            message = await self._guest.receive(deadline)
            match message["kind"]:
                case "out" | "err" | "value":
                    gathering.take(message)
                case "done":
                    gathering.done(message)
                    break
                case "refused":
                    gathering.stop("refused", spelled_out(str(message["reason"])))
                    break
                case "turn":
                    gathering.stop("killed", "the process that watches it was ended")
                    await self.end()
                    return
                case other:
                    raise FrameError(f"'{other}' in the middle of an execution")
        await self._turn("r", asyncio.get_running_loop().time() + TURN_SECONDS)

    async def _turn(self, command: str, deadline: float) -> None:
        message = await self._guest.receive(deadline)
        if message["kind"] != "turn" or message["command"] != command:
            raise FrameError(f"'{message['kind']}' where an execution ends")
        if message["status"] != 0 or message["sound"] is not True:
            raise _Changed

    async def _lost(self, gathering: Gathering, lost: GuestLost) -> bool:
        """Whether the execution had begun."""
        self.sound = False
        if not lost.in_time:
            await self._guest.end()
            gathering.stop("timeout", "the process that watches it gave no answer in time")
            return True
        end = await self._guest.ended()
        if end.status == "ok" and not gathering.heard:
            # Nothing inside can make it end so: it had waited for as long as it may.
            return False
        gathering.stop_as(end)
        return True

    async def _blame(self, gathering: Gathering) -> None:
        self.sound = False
        end = await self._guest.dismiss()
        if end.status == "memory":
            gathering.stop_as(end)

    async def end(self) -> None:
        """End it; what it runs is killed."""
        self.sound = False
        await self._guest.end()


@cache
def own_namespaces() -> Mapping[str, str]:
    """The host's process and mount namespaces: a guest ends and wipes nothing in these."""
    return {name: os.readlink(f"/proc/self/ns/{name}") for name in ("pid", "mnt")}

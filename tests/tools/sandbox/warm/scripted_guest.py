"""A boundary without any boundary, whose process says what a test has written for it."""

import asyncio
import os
from collections.abc import Sequence

from treadle.tools.sandbox.boundary import BoundaryEnd, Grants
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits, SandboxUsage
from treadle.tools.sandbox.frames import encode_frame

READY = encode_frame({"kind": "ready", "python": "3"})


class ScriptedProcess:
    """Pipes only. When it is first told something it says `says`, and closes unless `silent`."""

    def __init__(self, says: bytes, silent: bool, end: BoundaryEnd) -> None:
        self.ends: list[tuple[str, str]] = []
        self._says, self._silent, self._end = says, silent, end
        self._gone = asyncio.Event()
        self._heard, self.stdin = os.pipe()
        self.stdout, self._voice = os.pipe()
        self.stderr, self._complaint = os.pipe()
        self.workspace = os.open("/", os.O_PATH)
        self._open = {self.stdin, self.stdout, self.stderr, self.workspace}
        self._open |= {self._heard, self._voice, self._complaint}
        os.write(self._voice, READY)
        asyncio.get_running_loop().add_reader(self._heard, self._answer)

    def _answer(self) -> None:
        os.read(self._heard, 65536)
        if self._says:
            assert os.write(self._voice, self._says) == len(self._says)
            self._says = b""
        if not self._silent:
            asyncio.get_running_loop().remove_reader(self._heard)
            self._close(self._voice)
            self._gone.set()

    async def wait(self, seconds: float | None = None) -> BoundaryEnd:
        await self._gone.wait()
        return self._end

    async def kill(self, status: str = "killed", reason: str = "") -> None:
        self.ends.append((status, reason))
        self._gone.set()

    async def open_up(self) -> str:
        return ""

    def release(self, descriptor: int) -> None:
        self._close(descriptor)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._heard)
        for descriptor in list(self._open):
            self._close(descriptor)

    def _close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        os.close(descriptor)


class ScriptedBoundary:
    """Its processes say `scripts`, one after the other."""

    level = SandboxLevel.STRICT

    def __init__(
        self, *scripts: bytes, silent: bool = False, end: BoundaryEnd | None = None
    ) -> None:
        self._scripts = list(scripts)
        self._silent = silent
        self._end = end or BoundaryEnd("error", 137, "", SandboxUsage())
        self.started: list[ScriptedProcess] = []

    async def start(
        self,
        argv: Sequence[str] | None,
        *,
        limits: SandboxLimits,
        grants: Grants | None = None,
        code: str | None = None,
    ) -> ScriptedProcess:
        process = ScriptedProcess(self._scripts.pop(0), self._silent, self._end)
        self.started.append(process)
        return process

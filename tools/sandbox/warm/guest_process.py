"""A program of ours behind a boundary, spoken to in frames."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from typing import Final, Protocol

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.sandbox.boundary import BoundaryEnd, BoundaryProcess, Grants
from treadle.tools.sandbox.contract import RunStatus, SandboxLevel, SandboxLimits
from treadle.tools.sandbox.frames import FrameChannel, FrameError, Schema
from treadle.tools.sandbox.guest.program import Entry, guest_program

READY_SECONDS: Final = 20.0
"""From the start of the boundary's process to the first frame of the program in it."""

END_SECONDS: Final = 15.0
"""For a boundary that was told to end."""

_MAX_COMPLAINT: Final = 2000


class GuestLost(Exception):
    """The program has closed its pipe, or not said in time what it had to say.

    in_time: whether it was the pipe. Never leaves this package.
    """

    def __init__(self, in_time: bool) -> None:
        super().__init__()
        self.in_time = in_time


class HostedProcess(BoundaryProcess, Protocol):
    """What a guest needs of a boundary's process. workspace: a descriptor of its folder."""

    @property
    def workspace(self) -> int: ...

    async def open_up(self) -> str:
        """Have all in the workspace readable for the host; why that could not be, in words."""
        ...

    def close(self) -> None:
        """Close all its descriptors."""
        ...


class HostedBoundary(Protocol):
    """A boundary whose workspace the host can read."""

    @property
    def level(self) -> SandboxLevel:
        """How strong it is."""
        ...

    async def start(
        self,
        argv: Sequence[str] | None,
        *,
        limits: SandboxLimits,
        grants: Grants | None = None,
        code: str | None = None,
    ) -> HostedProcess:
        """Start `argv`, or run `code` in the Python that is first inside."""
        ...


class GuestProcess:
    """One of our guest programs, running."""

    def __init__(self, process: HostedProcess, schema: Schema) -> None:
        self._process = process
        self._channel = FrameChannel(process.stdout, process.stdin, schema)
        os.set_blocking(process.stderr, False)
        self._end: BoundaryEnd | None = None

    @classmethod
    async def start(
        cls,
        boundary: HostedBoundary,
        entry: Entry,
        options: dict[str, JsonValue],
        schema: Schema,
        *,
        limits: SandboxLimits,
        grants: Grants | None = None,
    ) -> GuestProcess:
        """Start `entry` with `options` and wait until it is ready.

        Raises ToolError (`sandbox_failed`, or what the boundary raises).
        """
        code = guest_program(entry, options)
        process = await boundary.start(None, limits=limits, grants=grants, code=code)
        guest = cls(process, schema)
        try:
            first = await guest.receive(asyncio.get_running_loop().time() + READY_SECONDS)
            if first["kind"] != "ready":
                raise FrameError(f"'{first['kind']}' before it was ready")
        except GuestLost as error:
            complaint = guest.complaint() or ("it ended" if error.in_time else "it said nothing")
            await guest.end()
            raise ToolError("sandbox_failed", f"a worker did not start: {complaint}") from None
        except BaseException:
            await guest.end()
            raise
        return guest

    @property
    def running(self) -> bool:
        """Whether nobody has ended it here."""
        return self._end is None

    @property
    def workspace(self) -> int:
        """A descriptor of the folder that it works in."""
        return self._process.workspace

    async def open_up(self) -> str:
        """Have all in the workspace readable for the host; why that could not be, in words."""
        return await self._process.open_up()

    async def send(self, parts: Sequence[bytes], deadline: float) -> None:
        """Send `parts`. deadline: of the loop's clock. Raises GuestLost."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._channel.send(parts)
        except (TimeoutError, BrokenPipeError) as error:
            raise GuestLost(isinstance(error, BrokenPipeError)) from None

    async def receive(self, deadline: float) -> dict[str, JsonValue]:
        """The next message. deadline: of the loop's clock. Raises GuestLost and FrameError."""
        try:
            async with asyncio.timeout_at(deadline):
                message = await self._channel.receive()
        except TimeoutError:
            raise GuestLost(in_time=False) from None
        if message is None:
            raise GuestLost(in_time=True)
        return message

    def complaint(self) -> str:
        """What stands on its stderr: nothing, unless it could not go on."""
        try:
            said = os.read(self._process.stderr, _MAX_COMPLAINT)
        except BlockingIOError:
            return ""
        return said.decode("utf-8", "replace").strip()

    async def dismiss(self) -> BoundaryEnd:
        """Let it end by itself: the boundary then says if something else was the reason."""
        if self._end is None:
            self._process.release(self._process.stdin)
        return await self.ended()

    async def ended(self) -> BoundaryEnd:
        """How it ended, after its pipe has closed; it is ended where it has not."""
        if self._end is None:
            try:
                async with asyncio.timeout(1.0):
                    end = await self._process.wait()
            except TimeoutError:
                return await self.end()
            self._finish(end)
        return self._known()

    async def end(self, status: RunStatus = "killed", reason: str = "") -> BoundaryEnd:
        """End it and everything it has started."""
        if self._end is None:
            async with asyncio.timeout(END_SECONDS):
                # It may just have ended by itself, and nobody read our word: the news of its end
                # is still to be had then.
                with contextlib.suppress(ConnectionResetError):
                    await self._process.kill(status, reason)
                end = await self._process.wait()
            self._finish(end)
        return self._known()

    def _finish(self, end: BoundaryEnd) -> None:
        # Two tasks may have waited for the end: the descriptors are closed once.
        if self._end is None:
            self._end = end
            self._process.close()

    def _known(self) -> BoundaryEnd:
        assert self._end is not None
        return self._end

"""A process that the warden watches."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import weakref
from collections.abc import Callable
from contextlib import ExitStack, suppress

from treadle.core.errors import ToolError
from treadle.tools.sandbox.boundary import BoundaryEnd
from treadle.tools.sandbox.contract import RunStatus, SandboxUsage
from treadle.tools.sandbox.levels.warden import Started
from treadle.tools.sandbox.levels.warden_side.messages import PACKET_BYTES

END_SECONDS = 10.0
"""How long the warden may take to end a process that it was told to end."""
SIGNALS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 31})


class WardedProcess:
    """A process behind a boundary. stdin, stdout, stderr: the host's ends; it closes them itself.

    workspace: a descriptor of the folder that it works in; readable after its end too, until
    `close`.
    """

    def __init__(
        self, stdin: int, stdout: int, stderr: int, started: Started, workspace: int
    ) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self.pid, self.uid = started.pid, started.uid
        self.workspace = workspace
        self._lifeline = started.lifeline
        self._opener = started.opener
        self._end: BoundaryEnd | None = None
        self._waiting = asyncio.Lock()
        self._closing = ExitStack()
        self._open = {stdin, stdout, stderr, workspace}
        # Who forgets to close it, or ends without, leaves nothing behind either.
        self._letting_go = weakref.finalize(
            self, _let_go, os.getpid(), self._lifeline, self._open, self._closing
        )

    async def wait(self, seconds: float | None = None) -> BoundaryEnd:
        """Until it has ended, with everything that it had started; the warden keeps its limits.

        seconds: that the warden gives it; longer than that and a margin is not waited. Raises
        ToolError (`sandbox_failed`) then.
        """
        margin = None if seconds is None else seconds + 2 * END_SECONDS
        try:
            async with asyncio.timeout(margin), self._waiting:
                if self._end is None:
                    self._end = await self._received()
                return self._end
        except TimeoutError as error:
            raise ToolError("sandbox_failed", "a sandboxed process could not be ended") from error

    async def _received(self) -> BoundaryEnd:
        loop = asyncio.get_running_loop()
        try:
            data = await loop.sock_recv(self._lifeline, PACKET_BYTES)
        except ConnectionResetError:
            # It hung up with a word of ours unread; the error comes first, and once, and what it
            # had said before is still there.
            data = await loop.sock_recv(self._lifeline, PACKET_BYTES)
        self._lifeline.close()
        if not data:
            # The warden was killed: what it had started dies with it.
            return BoundaryEnd("killed", None, "the sandbox's warden is gone", SandboxUsage())
        told = json.loads(data)
        usage = SandboxUsage(**told["usage"])
        code: int = told["ended"]
        if told["status"] is not None:
            return BoundaryEnd(told["status"], None, told["reason"], usage)
        number = -code if code < 0 else code - 128
        if number in SIGNALS:
            reason = f"it was ended by signal {number}"
            return BoundaryEnd("killed", None, reason, usage, number)
        return BoundaryEnd("ok" if code == 0 else "error", code, "", usage)

    async def kill(self, status: RunStatus = "killed", reason: str = "") -> None:
        """End it and everything that it started, and wait until it is gone.

        Raises ToolError (`sandbox_failed`) where it is not gone in time.
        """
        self.end_soon(status, reason)
        await self.wait(0)

    def end_soon(self, status: RunStatus, reason: str) -> None:
        """Have it ended; `wait` says when it is."""
        if self._end is not None:
            return
        # It fails where the process has ended by itself; `wait` says how.
        with suppress(OSError):
            self._lifeline.send(f"kill {status} {reason}".encode())

    async def open_up(self) -> str:
        """Have all in the workspace readable for the host; only once nothing runs in it.

        Says why that could not be, in words: the execution's own outcome stands all the same.
        """
        if self._opener is None:
            return ""
        try:
            await self._opener.open_up(self.workspace)
        except ToolError as error:
            return error.message
        return ""

    def release(self, descriptor: int) -> None:
        """Close one of the descriptors; once is enough, more does no harm."""
        if descriptor in self._open:
            self._open.discard(descriptor)
            os.close(descriptor)

    def at_close(self, action: Callable[[], None]) -> None:
        """Have something done once it is let go of."""
        self._closing.callback(action)

    def close(self) -> None:
        """Let go of everything; what still runs is ended."""
        self._letting_go()


def _let_go(owner: int, lifeline: socket.socket, descriptors: set[int], closing: ExitStack) -> None:
    lifeline.close()
    while descriptors:
        os.close(descriptors.pop())
    # A fork that ends has let go of its copies only: the process is still its parent's.
    if owner == os.getpid():
        closing.close()

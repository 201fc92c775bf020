"""A session: calls one after the other that share variables, a working directory or tables."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

from treadle.core.errors import ToolError
from treadle.tools.sandbox.contract import SandboxLevel, SandboxLimits, SandboxResult
from treadle.tools.sandbox.frames import FrameError, encode_frame
from treadle.tools.sandbox.warm.gathering import Gathering
from treadle.tools.sandbox.warm.guest_process import GuestLost, GuestProcess

SessionKind: TypeAlias = Literal["python", "bash", "sql", "duckdb"]
"""python: cells like a notebook's. bash: a shell. sql, duckdb: SQLite and DuckDB, in memory."""

GRACE_SECONDS: Final = 3.0
"""How much longer than a call's seconds the supervisor may take: it tries an interrupt first."""


class SessionEnded(ToolError):
    """The session has ended, by itself or at a limit (`sandbox_session_ended`). Open another."""

    def __init__(self, why: str) -> None:
        super().__init__("sandbox_session_ended", f"the session has ended ({why}): open a new one")


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of a whole session.

    calls: how many. total_seconds: since it was opened, on the wall and of CPU time of its kernel.
    idle_seconds: without a call, after which it ends by itself. rows: of a table of SQL.
    """

    calls: int = 10_000
    total_seconds: float = 4 * 3600.0
    idle_seconds: float = 900.0
    rows: int = 1000


class SandboxSession:
    """A kernel behind a boundary of its own. Made by `open_session`."""

    def __init__(
        self,
        kind: SessionKind,
        guest: GuestProcess,
        level: SandboxLevel,
        limits: SandboxLimits,
        bounds: SessionLimits,
    ) -> None:
        self.kind: SessionKind = kind
        self.level = level
        self._guest = guest
        self._limits = limits
        self._calls_left = bounds.calls
        self._one_at_a_time = asyncio.Lock()
        self._ended = ""

    @property
    def ended(self) -> str:
        """Why it has ended, as far as that is known; empty while it is open."""
        return self._ended

    async def run(self, text: str, *, seconds: float | None = None) -> SandboxResult:
        """Run `text` in the session; calls wait for each other.

        seconds: in place of the session's own limit for a call. After a timeout the kernel is
        interrupted; the result's reason says whether the session could be kept. Raises
        SessionEnded (`sandbox_session_ended`).
        """
        async with self._one_at_a_time:
            if self._ended:
                raise SessionEnded(self._ended)
            if "\0" in text or not _encodable(text):
                return self._refused("a NUL or half of a surrogate pair is in it")
            if self._calls_left == 0:
                await self._end("it had all its calls")
                raise SessionEnded(self._ended)
            self._calls_left -= 1
            try:
                return await self._run(text, self._limits.seconds if seconds is None else seconds)
            except BaseException:
                # Cancelled in the middle: nobody knows any more what the next frame belongs to.
                await self._end("a call was cancelled")
                raise

    async def _run(self, text: str, seconds: float) -> SandboxResult:
        gathering = Gathering(self._limits)
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline = started + seconds + GRACE_SECONDS
        call = encode_frame({"kind": "call", "text": text, "seconds": seconds})
        lost = ""
        try:
            await self._guest.send([call], deadline)
            while (message := await self._guest.receive(deadline))["kind"] != "called":
                if message["kind"] == "ready":
                    raise FrameError("'ready' in the middle of a call")
                gathering.take(message)
            kept = gathering.called(message, seconds)
            if not kept:
                lost = gathering.reason or "its process ended"
        except GuestLost as error:
            lost = await self._lost(gathering, error, seconds)
        except FrameError as error:
            lost = error.message
            gathering.stop("killed", lost)
        if lost:
            # Out of memory looks like any other signal from inside; its boundary knows better.
            end = await self._guest.ended()
            if end.status == "memory":
                gathering.stop_as(end)
                lost = end.reason
            self._ended = lost
        about = f"the session has ended: {_STATE[self.kind]} gone" if lost else ""
        return gathering.result(self.level, loop.time() - started, note=about)

    async def _lost(self, gathering: Gathering, error: GuestLost, seconds: float) -> str:
        if error.in_time:
            end = await self._guest.ended()
            if end.status == "ok" and not gathering.heard:
                raise SessionEnded("it was idle for too long")
            gathering.stop_as(end)
        else:
            await self._guest.end()
            gathering.stop("timeout", f"it had its {seconds:g} s and could not be interrupted")
        return gathering.reason

    def _refused(self, reason: str) -> SandboxResult:
        return SandboxResult("refused", None, "", "", self.level, 0.0, reason=reason)

    async def _end(self, why: str) -> None:
        self._ended = self._ended or why
        await self._guest.end()

    async def close(self) -> None:
        """End the session, and whatever runs in it."""
        await self._end("it was closed")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


_STATE: Final[dict[SessionKind, str]] = {
    "python": "its variables are",
    "bash": "its variables and files are",
    "sql": "its tables are",
    "duckdb": "its tables are",
}


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

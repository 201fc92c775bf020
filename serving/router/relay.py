"""An engine's reply on its way to the client: as it comes, and never cut short in silence."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio
import httpx

from treadle.serving.router.client_connection import ClientConnection
from treadle.serving.router.dialect import reply_headers
from treadle.serving.router.observer import Observed, ReplyObserver

_LARGEST_HELD = 1024 * 1024


class ReplyCut(Exception):
    """The reply broke off; `code` and `message` say how."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class Reply:
    """A reply that has begun: its first piece is here."""

    response: httpx.Response
    first: bytes
    rest: AsyncIterator[bytes]

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream of events."""
        kind: str = self.response.headers.get("content-type", "")
        return kind.lower().startswith("text/event-stream")

    @property
    def encoding(self) -> str:
        encoding: str = self.response.headers.get("content-encoding", "")
        return encoding


@dataclass(slots=True, eq=False)
class Relay:
    """Passes one reply on. `cut` ends it from outside, as when the router shuts down."""

    engine: str
    idle_seconds: float
    _scope: anyio.CancelScope | None = None
    _reason: tuple[str, str] | None = None
    _held: bytearray = field(default_factory=bytearray)

    def cut(self, code: str, message: str) -> None:
        """End the reply now, with an error."""
        self._reason = (code, message)
        if self._scope is not None:
            self._scope.cancel()

    async def pass_on(self, reply: Reply, client: ClientConnection) -> Observed:
        """Send `reply` to `client`, and return what was seen in it.

        Raises ReplyCut (what could be said to the client was said) and ClientGone.
        """
        observer = ReplyObserver(streamed=reply.is_stream, encoding=reply.encoding)
        readable = reply.is_stream and not observer.blind and not reply.encoding
        headers = reply_headers(dict(reply.response.headers))
        try:
            with anyio.CancelScope() as scope:
                self._scope = scope
                if self._reason is not None:
                    scope.cancel()
                await self._run(reply, client, headers, observer, by_line=readable)
            if scope.cancelled_caught:
                raise self._interrupted()
            return observer.seen
        except httpx.TimeoutException as error:
            cut = ReplyCut("engine_timeout", f"engine {self.engine} sent nothing more")
            await self._tell(cut, client, readable)
            raise cut from error
        except httpx.HTTPError as error:
            cut = ReplyCut(
                "engine_stream_cut",
                f"engine {self.engine} broke the connection off in the middle of the reply; "
                f"what came so far is not all of it",
            )
            await self._tell(cut, client, readable)
            raise cut from error
        except ReplyCut as cut:
            await self._tell(cut, client, readable)
            raise
        finally:
            self._scope = None

    async def _run(
        self,
        reply: Reply,
        client: ClientConnection,
        headers: dict[str, str],
        observer: ReplyObserver,
        *,
        by_line: bool,
    ) -> None:
        whole = await self._short(reply, observer) if not reply.is_stream else None
        if whole is not None:
            headers["content-length"] = str(len(whole))
            await self._started(reply, client, headers)
            await self._write(client, whole, last=True)
            return
        await self._started(reply, client, headers)
        if self._held:
            await self._write(client, bytes(self._held))
            self._held.clear()
        else:
            observer.feed(reply.first)
            await self._write(client, self._complete_lines(reply.first, by_line))
        self._wait_for_engine()
        async for piece in reply.rest:
            observer.feed(piece)
            ready = self._complete_lines(piece, by_line)
            if ready:
                await self._write(client, ready)
            self._wait_for_engine()
        observer.end()
        seen = observer.seen
        # Some servers end without [DONE]; with a finish reason the reply is complete all the same.
        if by_line and not (seen.complete or seen.failed or seen.finish_reason):
            raise ReplyCut(
                "engine_stream_cut",
                f"engine {self.engine} ended the stream before the reply was complete",
            )
        await self._write(client, bytes(self._held), last=True)

    async def _short(self, reply: Reply, observer: ReplyObserver) -> bytes | None:
        """The whole reply where it is not long; else what was read of it is in `_held`."""
        self._wait_for_engine()
        observer.feed(reply.first)
        self._held += reply.first
        async for piece in reply.rest:
            observer.feed(piece)
            self._held += piece
            if len(self._held) > _LARGEST_HELD:
                return None
            self._wait_for_engine()
        observer.end()
        whole = bytes(self._held)
        self._held.clear()
        return whole

    def _complete_lines(self, piece: bytes, by_line: bool) -> bytes:
        """What may go out now: lines that are complete.

        Half a line stays until its end comes, or an error event could not be told from it.
        """
        if not by_line:
            return piece
        self._held += piece
        end = self._held.rfind(b"\n") + 1 if len(self._held) <= _LARGEST_HELD else len(self._held)
        ready = bytes(self._held[:end])
        del self._held[:end]
        return ready

    async def _started(
        self, reply: Reply, client: ClientConnection, headers: dict[str, str]
    ) -> None:
        self._wait_for_client()
        await client.start(reply.response.status_code, headers)

    async def _write(self, client: ClientConnection, data: bytes, *, last: bool = False) -> None:
        if data or last:
            self._wait_for_client()
            await client.write(data, last=last)

    def _wait_for_engine(self) -> None:
        if self._scope is not None:
            self._scope.deadline = anyio.current_time() + self.idle_seconds

    def _wait_for_client(self) -> None:
        # The connection to the client has a deadline of its own.
        if self._scope is not None:
            self._scope.deadline = math.inf

    def _interrupted(self) -> ReplyCut:
        if self._reason is not None:
            return ReplyCut(*self._reason)
        return ReplyCut(
            "engine_timeout",
            f"engine {self.engine} sent nothing more for {self.idle_seconds:g} s",
        )

    async def _tell(self, cut: ReplyCut, client: ClientConnection, readable: bool) -> None:
        """Say in a stream of events that it broke off.

        Where a reply of another kind has begun, the connection is closed without its end, which
        HTTP clients report.
        """
        if readable and client.started:
            with anyio.CancelScope(shield=True):
                await client.end_with_error(cut.code, cut.message)

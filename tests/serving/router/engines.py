"""An engine for tests that serves thousands of streams in one thread, and says what it sees."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from types import TracebackType


class StreamEngine:
    """Answers every chat completion with a stream of `events` events.

    together: the streams that must be open before any goes on after its first event.
    padding: bytes of text in each event.
    """

    def __init__(
        self, *, events: int = 3, together: int = 1, padding: int = 1, port: int = 0
    ) -> None:
        self.events, self.together, self.padding = events, together, padding
        self.port = port
        self.open = 0
        self.most_open = 0
        self.requests = 0
        self.gone = 0
        self.written = 0
        self.changed = threading.Condition()
        self._all_here: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self.url = ""

    def wait_for(self, condition: Callable[[], bool], timeout: float = 15.0) -> bool:
        with self.changed:
            return self.changed.wait_for(condition, timeout)

    def __enter__(self) -> StreamEngine:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def let_go(self) -> None:
        """Let every stream go on."""
        assert self._loop is not None
        assert self._all_here is not None
        self._loop.call_soon_threadsafe(self._all_here.set)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._all_here = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", self.port, backlog=2048)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                await reader.readexactly(length)
                if head.startswith(b"GET"):
                    body = json.dumps({"data": [{"id": "m"}]}).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
                    writer.write(body)
                    await writer.drain()
                else:
                    await self._stream(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            # What the other side does not read would keep the connection open for ever.
            writer.transport.abort()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count(1)
        left = asyncio.get_running_loop().create_task(reader.read(1))
        work = asyncio.get_running_loop().create_task(self._reply(writer))
        try:
            await asyncio.wait((left, work), return_when=asyncio.FIRST_COMPLETED)
            if not work.done() or work.exception() is not None:
                with self.changed:
                    self.gone += 1
                    self.changed.notify_all()
                raise ConnectionResetError
            await work
        finally:
            work.cancel()
            left.cancel()
            self._count(-1)
        raise ConnectionResetError  # one request a connection: `left` may have eaten of the next

    async def _reply(self, writer: asyncio.StreamWriter) -> None:
        assert self._all_here is not None
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for number in range(self.events):
            choice = {"index": 0, "delta": {"content": "x" * self.padding}, "finish_reason": None}
            await self._event(writer, json.dumps({"choices": [choice]}).encode())
            if number == 0:
                await self._all_here.wait()
        stop = {"index": 0, "delta": {}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": self.events}
        await self._event(writer, json.dumps({"choices": [stop], "usage": usage}).encode())
        # Aborting drops what is not written yet.
        writer.transport.set_write_buffer_limits(0)
        await self._event(writer, b"[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _event(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        event = b"data: " + data + b"\n\n"
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        self.written += len(event)

    def _count(self, difference: int) -> None:
        with self.changed:
            self.open += difference
            self.requests += max(0, difference)
            self.most_open = max(self.most_open, self.open)
            if self.open >= self.together and self._all_here is not None:
                self._all_here.set()
            self.changed.notify_all()

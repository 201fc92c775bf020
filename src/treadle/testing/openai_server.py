"""A real HTTP server that speaks the OpenAI chat protocol and follows a script."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import TypeAlias

from treadle.testing.fault import Fault
from treadle.testing.openai_handler import Conversation, Handler
from treadle.testing.script import Content, Script

Reply: TypeAlias = "Content | Fault"
Answer: TypeAlias = "Callable[[RecordedRequest], Reply]"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as the server saw it; header names in lower case, `body` parsed from JSON."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, object]


class ScriptedOpenAIServer:
    """Serves `/v1/chat/completions` (streamed and not), `/v1/embeddings` and `/v1/models` on
    127.0.0.1.

    Use it as a context manager, `with` or `async with`; hand `base_url` to any OpenAI client:

        with ScriptedOpenAIServer(["Hello.", Fault.status(500)]) as server:
            model = OpenAIModel("test:model", model="m", base_url=server.base_url, ...)

    replies: in order; each is a text, a mapping (sent as JSON), `ToolCalls` or a sequence of
        `ToolCall`, a `Fault`, or a function of the `RecordedRequest` that returns one of those.
        One function in place of the list answers every request. When no reply is left, the server
        answers 500 with the code `script_exhausted`.
        For `/v1/embeddings` a mapping is the whole reply, and "" stands for vectors by
        `HashingEmbedder`, of 32 numbers or as many as are asked for.
    chunk: characters per event.
    chunking: how the bytes of a stream are cut into writes, as sizes that are used in turn, also
        inside a line or a character; None for one write per event.
    tokens_per_second: how fast the events come; None for no pause between them.
    models: what `/v1/models` lists.
    api_key: when given, every other key is answered with 401.

    What was asked is in `requests`, calls of `/v1/models` in `model_requests`.
    """

    def __init__(
        self,
        replies: Iterable[Reply | Answer] | Answer = (),
        *,
        chunk: int = 4,
        chunking: int | Sequence[int] | None = None,
        tokens_per_second: float | None = None,
        models: Sequence[str] = ("scripted",),
        api_key: str | None = None,
    ) -> None:
        sizes = (chunking,) if isinstance(chunking, int) else tuple(chunking or ())
        if chunk < 1 or any(size < 1 for size in sizes):
            raise ValueError("chunk and chunking are positive numbers")
        self.requests: list[RecordedRequest] = []
        self.model_requests: list[RecordedRequest] = []
        self._script: Script[RecordedRequest, Reply] = Script(replies)
        self._conversation = Conversation(
            answer=self._answer,
            chunk=chunk,
            sizes=sizes,
            pause=0.0 if tokens_per_second is None else 1 / tokens_per_second,
            models=tuple(models),
            api_key=api_key,
        )
        self._server: _Server | None = None

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/v1`. Raises RuntimeError while the server does not run."""
        if self._server is None:
            raise RuntimeError("the server does not run; use it as a context manager")
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def start(self) -> None:
        """Listen on a free port, in a daemon thread."""
        if self._server is None:
            self._conversation.stopping.clear()
            self._server = _Server(("127.0.0.1", 0), Handler)
            self._server.conversation = self._conversation
            threading.Thread(
                target=self._server.serve_forever,
                kwargs={"poll_interval": 0.02},
                name="scripted-openai-server",
                daemon=True,
            ).start()

    def stop(self) -> None:
        """Stop listening and drop every connection, those of hanging clients included."""
        if self._server is not None:
            self._conversation.stopping.set()
            self._server.shutdown()
            self._server.server_close()
            self._server.drop_connections()
            self._server = None

    def wait_until_idle(self, timeout: float = 10.0) -> bool:
        """Wait until no reply is being sent; whether that came about within `timeout` seconds.

        A reply to a client that closed the connection ends with its next write.
        """
        return self._conversation.wait_until_idle(timeout)

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: object) -> Reply:
        document = body if isinstance(body, Mapping) else {}
        request = RecordedRequest(method, path, headers, document)
        if method == "GET":
            self.model_requests.append(request)
            return ""
        self.requests.append(request)
        return self._script.next(request)

    def __enter__(self) -> ScriptedOpenAIServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> ScriptedOpenAIServer:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Handlers may hang on purpose; nobody waits for them.
    block_on_close = False
    request_queue_size = 256
    conversation: Conversation

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        super().__init__(address, handler)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        # Every write is to arrive as it was made, or odd chunking would test nothing.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        assert isinstance(request, socket.socket)
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        """Wake the threads that read from or write to a client."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

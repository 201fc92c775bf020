"""One HTTP connection of `ScriptedOpenAIServer`."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from itertools import cycle
from typing import TYPE_CHECKING

from treadle.core.errors import ModelError
from treadle.core.json_value import compact_json
from treadle.testing import openai_wire as wire
from treadle.testing.fault import Fault
from treadle.testing.script import Content, content_of

if TYPE_CHECKING:
    from treadle.testing.openai_server import Reply

_LARGEST_BODY = 64 * 1024 * 1024


class Conversation:
    """What the connections of one server share."""

    def __init__(
        self,
        *,
        answer: Callable[[str, str, Mapping[str, str], object], Reply],
        chunk: int,
        sizes: tuple[int, ...],
        pause: float,
        models: tuple[str, ...],
        api_key: str | None,
    ) -> None:
        self.answer = answer
        self.chunk = chunk
        self.sizes = sizes
        self.pause = pause
        self.models = models
        self.api_key = api_key
        self.stopping = threading.Event()
        self._busy = 0
        self._changed = threading.Condition()

    def count(self, difference: int) -> None:
        """A reply began (1) or ended (-1)."""
        with self._changed:
            self._busy += difference
            self._changed.notify_all()

    def wait_until_idle(self, timeout: float) -> bool:
        """Whether no reply is being sent, at the latest after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout)


class Handler(BaseHTTPRequestHandler):
    """Reads requests, asks the script and sends what it says."""

    protocol_version = "HTTP/1.1"

    @property
    def _conversation(self) -> Conversation:
        return self.server.conversation  # type: ignore[attr-defined, no-any-return]

    def do_GET(self) -> None:
        """`/v1/models`."""
        self._guarded(self._get)

    def do_POST(self) -> None:
        """`/v1/chat/completions` and `/v1/embeddings`."""
        self._guarded(self._post)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: what was asked is recorded."""

    def _guarded(self, respond: Callable[[], None]) -> None:
        self._conversation.count(1)
        try:
            respond()
        except OSError:
            # The client has gone, or the server stops: the connection is of no more use.
            self.close_connection = True
        finally:
            self._conversation.count(-1)

    def _get(self) -> None:
        if self._refused():
            return
        if self.path.partition("?")[0] != "/v1/models":
            self._send_error(404, f"no such path: {self.path}", "not_found")
            return
        self._conversation.answer("GET", self.path, self._lower_headers(), None)
        self._send_json(200, wire.model_list(self._conversation.models))

    def _post(self) -> None:
        body = self._read_body()
        if self._refused():
            return
        path = self.path.partition("?")[0]
        if path not in ("/v1/chat/completions", "/v1/embeddings"):
            self._send_error(404, f"no such path: {self.path}", "not_found")
            return
        if not isinstance(body, dict):
            self._send_error(400, "the body is no JSON object", "bad_request")
            return
        try:
            reply = self._conversation.answer("POST", self.path, self._lower_headers(), body)
        except ModelError as error:
            self._send_error(500, error.message, error.code)
            return
        if isinstance(reply, Fault):
            self._fail(reply, str(body.get("model")))
        elif path == "/v1/embeddings":
            # What the script says is the document itself, or nothing: then vectors by hashing.
            said = wire.embeddings(body) if reply == "" else reply
            self._send_json(200, said)
        else:
            self._say(reply, body)

    def _read_body(self) -> object:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= _LARGEST_BODY:
            self.close_connection = True
            return None
        try:
            return json.loads(self.rfile.read(length))
        except (ValueError, RecursionError):
            return None

    def _refused(self) -> bool:
        key = self._conversation.api_key
        given = self.headers.get("Authorization")
        if key is None or given == f"Bearer {key}":
            return False
        self._send_error(401, f"Incorrect API key provided: {given}", "invalid_api_key")
        return True

    def _say(self, reply: Content, body: Mapping[str, object]) -> None:
        content, model = content_of(reply), str(body.get("model"))
        if body.get("stream"):
            self._start_stream()
            self._send_events(
                wire.reply_events(model, content, body, self._conversation.chunk), end=True
            )
        else:
            self._send_json(200, wire.completion(model, content, body))

    def _fail(self, fault: Fault, model: str) -> None:
        match fault.kind:
            case "status":
                self._send(fault.code, _encoded(fault.body), fault.headers)
            case "raw":
                self._start_stream(fault.headers)
                self._send_events([_encoded(fault.body)], end=True)
            case "silence":
                self._hang()
            case "empty":
                self._start_stream()
                self._send_events([], end=True)
            case "endless":
                self._start_stream()
                while not self._conversation.stopping.is_set():
                    self._send_events([wire.chunk_event(model, {"content": fault.text})])
            case _:
                self._break_off(fault, model)

    def _break_off(self, fault: Fault, model: str) -> None:
        """Send the fault's text, then fail in the way that it says."""
        self._start_stream()
        self._send_events(wire.text_events(model, fault.text, self._conversation.chunk))
        if fault.kind == "cut":
            # Reset and not closed, as a crash does it; the end of the body is never announced.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
        elif fault.kind == "stall":
            self._hang()
        else:
            events = [wire.event(fault.body)] if fault.kind == "event" else []
            self._send_events(events, end=True)

    def _hang(self) -> None:
        self._conversation.stopping.wait()
        self.close_connection = True

    def _start_stream(self, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(200)
        for name, value in (headers or {"Content-Type": "text/event-stream"}).items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _send_events(self, events: Iterable[bytes], *, end: bool = False) -> None:
        for write in _regrouped(self._paced(events), self._conversation.sizes):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(write), write))
        if end:
            self.wfile.write(b"0\r\n\r\n")

    def _paced(self, events: Iterable[bytes]) -> Iterator[bytes]:
        for each in events:
            if self._conversation.pause and self._conversation.stopping.wait(
                self._conversation.pause
            ):
                raise ConnectionAbortedError("the server stops")
            yield each

    def _send_error(self, code: int, message: str, error_code: str) -> None:
        self._send_json(code, {"error": {"message": message, "code": error_code}})

    def _send_json(self, code: int, document: object) -> None:
        self._send(code, compact_json(document).encode(), {"Content-Type": "application/json"})

    def _send(self, code: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _lower_headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}


def _encoded(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else compact_json(body)).encode()


def _regrouped(writes: Iterable[bytes], sizes: tuple[int, ...]) -> Iterator[bytes]:
    """The same bytes in pieces of `sizes`, used in turn; as they are when there are none."""
    if not sizes:
        yield from (write for write in writes if write)
        return
    turn = cycle(sizes)
    wanted = next(turn)
    buffer = bytearray()
    for write in writes:
        buffer += write
        while len(buffer) >= wanted:
            yield bytes(buffer[:wanted])
            del buffer[:wanted]
            wanted = next(turn)
    if buffer:
        yield bytes(buffer)

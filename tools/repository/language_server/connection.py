"""Requests to a language server over its standard streams, each with a deadline.

Threads, not tasks: a server outlives the call, and often the event loop, that first needed it.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import nullcontext, suppress
from typing import BinaryIO, TypeAlias, cast

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.tools.repository.language_server.cancellation import Cancellation
from treadle.tools.repository.language_server.framing import TooLong, framed, read_message

Notified: TypeAlias = Callable[[str, JsonValue], None]
Asked: TypeAlias = Callable[[str, JsonValue], JsonValue]

_METHOD_NOT_FOUND = -32601
_REQUEST_CANCELLED = (-32800, -32802)
_WRITE_SECONDS = 10.0


class Connection:
    """A running server process that speaks JSON-RPC.

    notified: told of each notification; asked: answers each request of the server, and raises
    KeyError for a method it does not know. Both run in the reading thread and must be quick.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], notified: Notified, asked: Asked, limit: int
    ) -> None:
        self._process = process
        self._notified, self._asked, self._limit = notified, asked, limit
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: dict[int, Future[JsonValue]] = {}
        self._next_id = 0
        self._ended: ToolError | None = None
        self._reader = threading.Thread(target=self._read, name="treadle-lsp", daemon=True)
        self._reader.start()

    @property
    def ended(self) -> ToolError | None:
        """Why the connection is no longer of use; None while it is."""
        return self._ended

    def request(
        self,
        method: str,
        params: JsonValue,
        *,
        seconds: float,
        cancellation: Cancellation | None = None,
    ) -> JsonValue:
        """Ask and wait for the answer, at most `seconds`; the server is told when nobody waits.

        Raises ToolError: `language_server_timeout`, `language_server_died`,
        `language_server_refused` for an error it answers, `language_server_too_much`,
        `language_server_cancelled`.
        """
        future: Future[JsonValue] = Future()
        with self._lock:
            if self._ended is not None:
                raise self._ended
            self._next_id += 1
            number = self._next_id
            self._waiting[number] = future
        try:
            self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            with cancellation.cancels(future) if cancellation else nullcontext():
                return future.result(seconds)
        except TimeoutError:
            self._give_up(number)
            raise ToolError(
                "language_server_timeout",
                f"the language server did not answer {method} in {seconds:g} s; ask for less, or "
                f"give it longer",
                retryable=True,
            ) from None
        except CancelledError:
            self._give_up(number)
            raise ToolError("language_server_cancelled", f"{method} was cancelled") from None
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    def notify(self, method: str, params: JsonValue) -> None:
        """Tell the server something. Raises ToolError (`language_server_died`)."""
        if self._ended is not None:
            raise self._ended
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def close(self, seconds: float = 2.0) -> None:
        """End the process, kindly first, and the reading thread with it."""
        self._end(ToolError("language_server_died", "the language server was stopped"))
        with suppress(OSError):
            cast(BinaryIO, self._process.stdin).close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(seconds)
        if self._reader is not threading.current_thread():
            self._reader.join(seconds)
        cast(BinaryIO, self._process.stdout).close()

    def _give_up(self, number: int) -> None:
        with suppress(ToolError):
            self.notify("$/cancelRequest", {"id": number})

    def _send(self, message: dict[str, JsonValue]) -> None:
        data = framed(message)
        # A server that reads no more would hold the writer for ever: then it is ended.
        timer = threading.Timer(_WRITE_SECONDS, self._process.kill)
        timer.daemon = True
        with self._writing:
            timer.start()
            try:
                stdin = cast(BinaryIO, self._process.stdin)
                stdin.write(data)
                stdin.flush()
            except (OSError, ValueError):
                self._end(self._death())
                raise self._ended or self._death() from None
            finally:
                timer.cancel()

    def _read(self) -> None:
        stream = cast(BinaryIO, self._process.stdout)
        end = None
        try:
            while (message := read_message(stream, self._limit)) is not None:
                self._handle(message)
        except ToolError as error:
            end = error
        except (OSError, ValueError):
            end = None  # the stream was closed under us
        self._end(end or self._death())
        with suppress(OSError):
            self._process.kill()

    def _handle(self, message: dict[str, JsonValue] | TooLong) -> None:
        if isinstance(message, TooLong):
            if message.request is not None:
                self._settle(message.request, error=_too_much(message.length, self._limit))
            return
        method, number = message.get("method"), message.get("id")
        if isinstance(method, str):
            if number is None:
                self._notified(method, message.get("params"))
            elif isinstance(number, (int, str)):
                self._answer(number, method, message.get("params"))
        elif isinstance(number, int):
            error = message.get("error")
            if error is None:
                self._settle(number, result=message.get("result"))
            else:
                self._settle(number, error=_refusal(error))

    def _answer(self, number: int | str, method: str, params: JsonValue) -> None:
        answer: dict[str, JsonValue] = {"jsonrpc": "2.0", "id": number}
        try:
            answer["result"] = self._asked(method, params)
        except KeyError:
            answer["error"] = {"code": _METHOD_NOT_FOUND, "message": f"no {method} here"}
        with suppress(ToolError):
            self._send(answer)

    def _settle(
        self, number: int, *, result: JsonValue = None, error: ToolError | None = None
    ) -> None:
        with self._lock:
            future = self._waiting.pop(number, None)
        # Nobody waits any more for an answer that came too late.
        if future is None or not future.set_running_or_notify_cancel():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def _end(self, error: ToolError) -> None:
        with self._lock:
            if self._ended is None:
                self._ended = error
            waiting = list(self._waiting)
        for number in waiting:
            self._settle(number, error=self._ended)

    def _death(self) -> ToolError:
        code = self._process.poll()
        how = "closed its output" if code is None else f"ended with exit status {code}"
        return ToolError(
            "language_server_died",
            f"the language server {how}; the next call starts it again",
            retryable=True,
        )


def _too_much(length: int, limit: int) -> ToolError:
    return ToolError(
        "language_server_too_much",
        f"the language server answered {length:,} bytes, more than {limit:,}; ask for less",
    )


def _refusal(error: JsonValue) -> ToolError:
    record = error if isinstance(error, dict) else {}
    text = str(record.get("message", "no reason given"))[:500]
    if record.get("code") in _REQUEST_CANCELLED:
        return ToolError("language_server_cancelled", f"the language server gave up: {text}")
    return ToolError("language_server_refused", f"the language server refused: {text}")

"""Frames between the host and what runs inside a sandbox: everything that arrives is hostile.

A frame is four bytes of magic, the length of its body as four bytes (most significant first) and
the body, one JSON object in UTF-8. Its `kind` names a schema: which fields it has, each of one
type, no other. A length is refused before anything of that size is read; whatever breaks a rule
raises `sandbox_frame`, and the channel takes nothing more.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
import os
import struct
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn, TypeAlias

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue

MAGIC: Final = b"TdF1"
HEADER_BYTES: Final = 8
MAX_BODY_BYTES: Final = 128 * 1024
"""Of a frame that a guest sends; a larger one is refused."""

MAX_DEPTH: Final = 64
"""Of lists and objects within each other, in a frame and in a value."""

_READ_BYTES: Final = 64 * 1024

Message: TypeAlias = Mapping[str, JsonValue]
Schema: TypeAlias = Mapping[str, Mapping[str, type]]
"""Per kind, the fields that a message of it has (`kind` beside them) and their types."""


class FrameError(ToolError):
    """What came from a sandbox is no frame, or none that is allowed (`sandbox_frame`)."""

    def __init__(self, message: str) -> None:
        super().__init__("sandbox_frame", f"the sandbox sent {message}; it has been ended")


def strict_json(text: bytes | str) -> JsonValue:
    """The value that hostile `text` spells.

    Raises FrameError for what is no JSON, and for NaN, infinities, numbers of thousands of
    digits, a key twice in one object, halves of surrogate pairs, and more than MAX_DEPTH levels.
    """
    try:
        value = json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise FrameError("JSON that is nested too deeply") from None
    except ValueError as error:
        raise FrameError(f"no JSON ({str(error)[:100]!r})") from None
    _check(value)
    return value  # type: ignore[no-any-return]


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise FrameError("a JSON object with the same key twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise FrameError(f"{name} in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise FrameError("a number in JSON that is out of range")
    return number


def _check(value: JsonValue) -> None:
    """Without recursion, so that what is checked cannot exhaust the stack."""
    level: list[JsonValue] = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[JsonValue] = []
        for item in level:
            if isinstance(item, str):
                _encodable(item)
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, dict):
                for key in item:
                    _encodable(key)
                below.extend(item.values())
        if not below:
            return
        level = below
    raise FrameError("JSON that is nested too deeply")


def _encodable(text: str) -> None:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise FrameError("half of a surrogate pair in JSON") from None


def encode_frame(message: Message) -> bytes:
    """`message` as the bytes of one frame. What the host sends has no other limit than 4 GiB."""
    body = json.dumps(message, allow_nan=False, separators=(",", ":")).encode("ascii")
    return MAGIC + struct.pack(">I", len(body)) + body


def decode_body(body: bytes, schema: Schema) -> dict[str, JsonValue]:
    """The message in `body`, if `schema` has its kind and it has exactly that kind's fields.

    Raises FrameError otherwise.
    """
    message = strict_json(body)
    if not isinstance(message, dict):
        raise FrameError("a frame that is no JSON object")
    kind = message.get("kind")
    fields = schema.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise FrameError(f"a frame of no known kind ({str(kind)[:40]!r})")
    if len(message) != len(fields) + 1:
        raise FrameError(f"a frame '{kind}' with other fields than it has")
    for name, expected in fields.items():
        # By exact type: JSON's true is an int to isinstance.
        if name not in message or type(message[name]) is not expected:
            raise FrameError(f"a frame '{kind}' with a wrong '{name}'")
    return message


def decode_bytes(text: JsonValue) -> bytes:
    """The bytes that a field carries in base64. Raises FrameError for anything else."""
    if not isinstance(text, str):
        raise FrameError("data that is no text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FrameError("data that is no base64") from None


class FrameParser:
    """Makes messages of bytes as they arrive, holding at most one frame of `max_body` bytes."""

    def __init__(self, schema: Schema, max_body: int = MAX_BODY_BYTES) -> None:
        self._schema = schema
        self._max_body = max_body
        self._buffer = bytearray()
        self._dead = False

    def feed(self, data: bytes) -> list[dict[str, JsonValue]]:
        """The messages that `data` completes.

        Raises FrameError for the first that is none, and from then on always. Give it at most
        64 KiB at once: what a call makes of its data is all in memory.
        """
        if self._dead:
            raise FrameError("more after a broken frame")
        self._buffer += data
        messages = []
        try:
            while (body := self._next_body()) is not None:
                messages.append(decode_body(body, self._schema))
        except FrameError:
            self._dead = True
            self._buffer.clear()
            raise
        return messages

    def _next_body(self) -> bytes | None:
        start = bytes(self._buffer[: len(MAGIC)])
        if start != MAGIC[: len(start)]:
            raise FrameError("bytes that begin no frame")
        if len(self._buffer) < HEADER_BYTES:
            return None
        (length,) = struct.unpack_from(">I", self._buffer, len(MAGIC))
        if length > self._max_body:
            raise FrameError(f"a frame of {length} bytes ({self._max_body} are allowed)")
        end = HEADER_BYTES + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[HEADER_BYTES:end])
        del self._buffer[:end]
        return body


class FrameChannel:
    """Frames over the two pipes of a process: whole writes, one message at a time.

    Its descriptors become non-blocking and stay the caller's to close. It belongs to no event
    loop: it registers with the running one only while it waits.
    """

    def __init__(self, read: int, write: int, schema: Schema) -> None:
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        self._read = read
        self._write = write
        self._parser = FrameParser(schema)
        self._waiting: list[dict[str, JsonValue]] = []
        self._next = 0

    async def send(self, parts: Sequence[bytes]) -> None:
        """Write all of `parts`. Raises BrokenPipeError when nobody reads any more.

        The caller sets the deadline.
        """
        for part in parts:
            rest = memoryview(part)
            while rest:
                try:
                    rest = rest[os.write(self._write, rest) :]
                except BlockingIOError:
                    await _ready(self._write, writing=True)

    async def receive(self) -> dict[str, JsonValue] | None:
        """The next message, or None once the other side has closed between two frames.

        The caller sets the deadline. Raises FrameError.
        """
        while self._next == len(self._waiting):
            try:
                data = os.read(self._read, _READ_BYTES)
            except BlockingIOError:
                await _ready(self._read, writing=False)
                continue
            if not data:
                return None
            self._waiting, self._next = self._parser.feed(data), 0
        self._next += 1
        return self._waiting[self._next - 1]


async def _ready(descriptor: int, *, writing: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    if writing:
        loop.add_writer(descriptor, wake)
    else:
        loop.add_reader(descriptor, wake)
    try:
        await ready
    finally:
        if writing:
            loop.remove_writer(descriptor)
        else:
            loop.remove_reader(descriptor)

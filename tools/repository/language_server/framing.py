"""Messages of the base protocol of language servers: a length, a blank line, JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import BinaryIO

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue, compact_json

MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes of a message that is read; a longer one is passed over."""

_MAX_HEADER = 4_096
_MAX_SKIPPED = 1024 * 1024 * 1024
_LENGTH = re.compile(rb"\s*content-length\s*:\s*([0-9]{1,15})\s*", re.IGNORECASE)
_ID = re.compile(rb'"id"\s*:\s*([0-9]{1,15})')


@dataclass(frozen=True, slots=True)
class TooLong:
    """A message that was passed over: its length in bytes, and what it answers if that showed."""

    length: int
    request: int | None


def framed(message: dict[str, JsonValue]) -> bytes:
    """`message` as it goes over the wire."""
    body = compact_json(message).encode("utf-8", "surrogatepass")
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def read_message(
    stream: BinaryIO, limit: int = MAX_MESSAGE
) -> dict[str, JsonValue] | TooLong | None:
    """Read one message; None at the end of the stream.

    Raises ToolError (`language_server_protocol`) for what is none.
    """
    length = _length(stream)
    if length is None:
        return None
    if length > limit:
        return _skip(stream, length)
    body = stream.read(length)
    if len(body) < length:
        return None
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _broken(f"a message is no JSON: {error}") from None
    if not isinstance(message, dict):
        raise _broken("a message is no object")
    return message


def _length(stream: BinaryIO) -> int | None:
    length, read = None, 0
    while True:
        line = stream.readline(_MAX_HEADER)
        read += len(line)
        if not line:
            return None
        if not line.endswith(b"\n") or read > _MAX_HEADER:
            raise _broken("a header has no end")
        if not line.strip():
            if length is None:
                raise _broken("a message does not say how long it is")
            return length
        if (named := _LENGTH.fullmatch(line)) is not None:
            length = int(named[1])


def _skip(stream: BinaryIO, length: int) -> TooLong | None:
    if length > _MAX_SKIPPED:
        raise _broken(f"a message of {length:,} bytes")
    head, left = b"", length
    while left:
        block = stream.read(min(left, 1 << 20))
        if not block:
            return None
        head = head or block[:200]
        left -= len(block)
    named = _ID.search(head)
    return TooLong(length, int(named[1]) if named else None)


def _broken(what: str) -> ToolError:
    return ToolError("language_server_protocol", f"the language server sent nonsense: {what}")

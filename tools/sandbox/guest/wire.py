"""Frames as the inside reads and writes them. The host is trusted here, its frames unchecked."""

from __future__ import annotations

import base64
import json
import os
import struct
from typing import Any

MAGIC = b"TdF1"
CHUNK = 48 * 1024
"""Bytes of data in one frame; in base64 they stay far below what the host allows."""


def read_exactly(descriptor: int, count: int) -> bytes:
    """`count` bytes. Raises EOFError when the host has gone."""
    data = bytearray()
    while len(data) < count:
        part = os.read(descriptor, min(count - len(data), 1 << 20))
        if not part:
            raise EOFError("the host has closed the pipe")
        data += part
    return bytes(data)


def read_frame(descriptor: int) -> dict[str, Any]:
    """The next message of the host; not a byte more than it is taken from the pipe."""
    header = read_exactly(descriptor, 8)
    if header[:4] != MAGIC:
        raise EOFError("the host sent no frame")
    message: dict[str, Any] = json.loads(
        read_exactly(descriptor, struct.unpack(">I", header[4:])[0])
    )
    return message


def write_all(descriptor: int, data: bytes) -> None:
    """All of `data`, however often the pipe is full."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def send_frame(descriptor: int, kind: str, **fields: Any) -> None:
    """One message to the host."""
    body = json.dumps({"kind": kind, **fields}, separators=(",", ":")).encode("ascii")
    write_all(descriptor, MAGIC + struct.pack(">I", len(body)) + body)


def send_data(descriptor: int, kind: str, data: bytes) -> None:
    """`data` in as many messages as it takes."""
    for start in range(0, len(data), CHUNK):
        text = base64.b64encode(data[start : start + CHUNK]).decode("ascii")
        send_frame(descriptor, kind, data=text)

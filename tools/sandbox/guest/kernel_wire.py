"""Between a session's supervisor and its kernel: texts in, reports out, each by its own pipe.

A text ends with NUL. A report is its length in decimal digits, a newline, and that many bytes: an
exit code, a space, and what `cell` reports. A shell can write that.
"""

from __future__ import annotations

import os

from treadle.tools.sandbox.guest.wire import write_all

TEXTS = 3
REPORTS = 4
MAX_DIGITS = 8


class Texts:
    """The texts that arrive on descriptor TEXTS."""

    def __init__(self) -> None:
        self._buffer = b""

    def next(self) -> str:
        """The next one. Raises EOFError when the supervisor has gone."""
        parts = [self._buffer]
        while b"\0" not in parts[-1]:
            part = os.read(TEXTS, 1 << 16)
            if not part:
                raise EOFError("the supervisor has gone")
            parts.append(part)
        text, _, self._buffer = b"".join(parts).partition(b"\0")
        return text.decode("utf-8")


def report(code: int, what: bytes) -> None:
    """Say that a text has been run."""
    body = b"%d %s" % (code, what)
    write_all(REPORTS, b"%d\n%s" % (len(body), body))


class Reports:
    """Reads reports from a kernel, which may have become anything."""

    def __init__(self, descriptor: int, max_bytes: int) -> None:
        self.descriptor = descriptor
        self._max = max_bytes
        self._buffer = bytearray()
        os.set_blocking(descriptor, False)

    def next(self) -> tuple[int, bytes] | None:
        """The report, or None until all of it is there.

        Raises ValueError for what is none, and EOFError when none will come.
        """
        try:
            data = os.read(self.descriptor, 1 << 16)
            if not data:
                raise EOFError("the kernel has closed its pipe")
        except BlockingIOError:
            data = b""
        self._buffer += data
        length, newline, rest = bytes(self._buffer).partition(b"\n")
        if not newline:
            if len(length) > MAX_DIGITS:
                raise ValueError("no report")
            return None
        if not (length.isdigit() and len(length) <= MAX_DIGITS and int(length) <= self._max):
            raise ValueError("no report")
        if len(rest) < int(length):
            return None
        body = rest[: int(length)]
        self._buffer = bytearray(rest[int(length) :])
        code, _, what = body.partition(b" ")
        if not (code.isdigit() and len(code) <= 3 and int(code) <= 255):
            raise ValueError("no report")
        return int(code), what

    def discard(self) -> None:
        """Forget what was said out of turn: a report belongs to one call."""
        self._buffer.clear()
        while True:
            try:
                if not os.read(self.descriptor, 1 << 16):
                    return
            except BlockingIOError:
                return

"""What passes by in a reply: its usage, its tool calls, whether it came to its end."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LONGEST_LINE = 1024 * 1024
_LARGEST_DOCUMENT = 8 * 1024 * 1024

# Most events carry a few characters of text and nothing else: those are not parsed.
_TELLING = re.compile(
    rb'"usage":\s*\{|"finish_reason":\s*"|"tool_calls"|"function_call"|"error"|"type":\s*"response\.'
)
_TERMINAL = ("response.completed", "response.incomplete", "response.failed")


@dataclass(slots=True)
class Observed:
    """What was seen so far.

    prompt_tokens, output_tokens, cached_tokens: as the engine reported them; None where not.
    pieces: events of a stream, about as many as tokens. tools: names, in the order of the calls.
    complete: whether the reply came to its end. failed: whether the engine sent an error.
    """

    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    pieces: int = 0
    tools: tuple[str, ...] = ()
    finish_reason: str = ""
    complete: bool = False
    failed: bool = False


class ReplyObserver:
    """Reads along; never changes, keeps back or refuses anything. Bounded in memory."""

    def __init__(self, *, streamed: bool, encoding: str = "") -> None:
        self.seen = Observed()
        self._streamed = streamed
        self._buffer = bytearray()
        self._skipping = False
        gzipped = encoding.lower() in ("gzip", "x-gzip", "deflate")
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32) if gzipped else None
        # What cannot be read is passed on all the same.
        self._blind = encoding.lower() not in ("", "identity") and not gzipped

    @property
    def blind(self) -> bool:
        """Whether the reply is in an encoding that cannot be read here."""
        return self._blind

    def feed(self, data: bytes) -> None:
        """The next bytes of the body."""
        if self._blind:
            return
        if self._inflate is not None:
            try:
                data = self._inflate.decompress(data, _LARGEST_DOCUMENT)
            except zlib.error:
                self._blind = True
                return
        if self._streamed:
            self._read_lines(data)
        elif len(self._buffer) + len(data) <= _LARGEST_DOCUMENT:
            self._buffer += data
        else:
            self._blind = True
            self._buffer.clear()

    def end(self) -> Observed:
        """The body came to its end in order; returns all that was seen."""
        if self._streamed:
            self._line(bytes(self._buffer))
        else:
            self.seen.complete = True
            self._document(bytes(self._buffer))
        self._buffer.clear()
        return self.seen

    def _read_lines(self, data: bytes) -> None:
        self._buffer += data
        if b"\n" not in data:
            self._bound()
            return
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            if self._skipping:
                self._skipping = False
            else:
                self._line(line)
        self._bound()

    def _bound(self) -> None:
        if len(self._buffer) > _LONGEST_LINE:
            self._buffer.clear()
            self._skipping = True

    def _line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        data = line[5:].strip()
        if data == b"[DONE]":
            self.seen.complete = True
            return
        self.seen.pieces += 1
        if _TELLING.search(data):
            self._document(data)

    def _document(self, data: bytes) -> None:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(found, dict):
            return
        kind = found.get("type")
        if isinstance(kind, str) and kind in _TERMINAL:
            self.seen.complete = True
        if found.get("error"):
            self.seen.failed = True
        response = found.get("response")
        inner = response if isinstance(response, dict) else found
        self._usage(inner.get("usage"))
        self._choices(inner)

    def _usage(self, usage: object) -> None:
        if not isinstance(usage, Mapping):
            return
        self.seen.prompt_tokens = _count(usage, "prompt_tokens", "input_tokens")
        self.seen.output_tokens = _count(usage, "completion_tokens", "output_tokens")
        for name in ("prompt_tokens_details", "input_tokens_details"):
            details = usage.get(name)
            if isinstance(details, Mapping):
                self.seen.cached_tokens = _count(details, "cached_tokens")

    def _choices(self, document: Mapping[str, object]) -> None:
        for choice in _mappings(document.get("choices")):
            reason = choice.get("finish_reason")
            if isinstance(reason, str):
                self.seen.finish_reason = reason
            for part in ("delta", "message"):
                message = choice.get(part)
                if isinstance(message, Mapping):
                    for call in _mappings(message.get("tool_calls")):
                        self._tool(call.get("function"))
        # The Responses protocol: one list of items at the end.
        items = list(_mappings(document.get("output")))
        for item in items:
            if item.get("type") == "function_call":
                self._tool(item)
        if items and document.get("status") == "completed":
            self.seen.finish_reason = "tool_calls" if self.seen.tools else "stop"

    def _tool(self, function: object) -> None:
        name = function.get("name") if isinstance(function, Mapping) else None
        if isinstance(name, str) and name and len(self.seen.tools) < 64:
            self.seen.tools += (name[:128],)


def _mappings(value: object) -> Iterator[Mapping[str, object]]:
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, Mapping))


def _count(usage: Mapping[str, object], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None

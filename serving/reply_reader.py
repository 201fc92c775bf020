"""From the chunks of a streamed chat completion to deltas. Every shape is checked: they are
the server's, and the client library builds its objects without looking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from treadle.core.chat import (
    ChatDelta,
    ChatRequest,
    Finished,
    FinishReason,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from treadle.serving.faults import Faults

_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_MOST_CALLS = 1024
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class _OpenCall:
    """A tool call that is being written: its id on the wire and what was passed on of its name."""

    wire_id: str
    name: str = ""


class ReplyReader:
    """Reads the chunks of one reply.

    Raises ModelError: `model_malformed_reply` for wrong shapes, `model_content_filtered` and
    `model_stream_cut` at the end.
    """

    def __init__(self, faults: Faults, request: ChatRequest, tool_names: Mapping[str, str]) -> None:
        self._faults = faults
        self._request = request
        self._tool_names = tool_names
        self._calls: list[_OpenCall] = []
        self._places: dict[int, int] = {}
        self._usage: Usage | None = None
        self._reason: FinishReason | None = None
        self._refusal = ""
        self._characters = 0
        self._choices = 0

    @property
    def finish_seen(self) -> bool:
        """Whether the server said that the reply is whole; only its usage may follow."""
        return self._reason is not None

    def read(self, chunk: object) -> list[ChatDelta]:
        """The deltas in `chunk`. An empty TextDelta is a sign of life (the model is thinking)."""
        choices = getattr(chunk, "choices", None)
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            self._usage = self._read_usage(usage)
        if choices is None and usage is not None:
            return []
        if not isinstance(choices, list):
            raise self._faults.malformed("a chunk without choices")
        deltas: list[ChatDelta] = []
        for choice in choices:
            self._choices += 1
            if getattr(choice, "index", 0) in (0, None):
                deltas += self._read_choice(choice)
        return deltas

    def finished(self) -> Finished:
        """The last delta. Raises ModelError where the reply is not whole or was withheld."""
        if self._reason is None:
            if self._choices == 0:
                raise self._faults.malformed("an empty reply")
            raise self._faults.cut("the stream ended without a finish reason")
        if self._reason == "content_filter":
            raise self._faults.filtered("the server's content filter withheld the reply")
        if self._refusal and not self._characters:
            raise self._faults.filtered(f"the model refused: {self._refusal}")
        reason = self._reason
        if self._calls and reason == "stop":
            # Some servers report "stop" for replies that call tools.
            reason = "tool_calls"
        return Finished(reason, self._usage or self._estimated())

    def _read_choice(self, choice: object) -> list[ChatDelta]:
        delta = getattr(choice, "delta", None)
        reason = self._text(getattr(choice, "finish_reason", None), "finish_reason")
        deltas: list[ChatDelta] = []
        if delta is not None:
            self._refusal += self._text(getattr(delta, "refusal", None), "refusal")
            text = self._text(getattr(delta, "content", None), "content")
            if text or _thinks(delta):
                self._characters += len(text)
                deltas.append(TextDelta(text))
            deltas += self._read_calls(getattr(delta, "tool_calls", None))
        elif not reason:
            raise self._faults.malformed("a choice without a delta")
        if reason:
            known = _REASONS.get(reason)
            if known is None:
                raise self._faults.cut(f"the finish reason is '{reason}'")
            self._reason = known
        return deltas

    def _read_calls(self, calls: object) -> list[ChatDelta]:
        if calls is None:
            return []
        if not isinstance(calls, list):
            raise self._faults.malformed("tool calls that are no list")
        return [self._read_call(call) for call in calls]

    def _read_call(self, call: object) -> ToolCallDelta:
        function = getattr(call, "function", None)
        wire_id = self._text(getattr(call, "id", None), "tool call id")
        name = self._text(getattr(function, "name", None), "tool name")
        arguments = self._text(getattr(function, "arguments", None), "tool arguments")
        index = self._index(getattr(call, "index", None), wire_id, name)
        self._characters += len(name) + len(arguments)
        if index == len(self._calls):
            if index >= _MOST_CALLS:
                raise self._faults.malformed(f"more than {_MOST_CALLS} tool calls")
            self._calls.append(_OpenCall(wire_id, name))
            new_id = wire_id or f"call_{index}"
            return ToolCallDelta(index, new_id, self._tool_names.get(name, name), arguments)
        known = self._calls[index]
        if not name or known.name:
            # Some servers repeat the name with every part; it is passed on once.
            return ToolCallDelta(index, arguments=arguments)
        self._calls[index] = replace(known, name=name)
        return ToolCallDelta(index, None, self._tool_names.get(name, name), arguments)

    def _index(self, given: object, wire_id: str, name: str) -> int:
        """The call's place among ours. Some servers send no index, or 0 for every call."""
        if given is None:
            last = len(self._calls) - 1
            same = wire_id == self._calls[last].wire_id if wire_id and self._calls else not name
            return last if same and self._calls else last + 1
        if isinstance(given, bool) or not isinstance(given, int):
            raise self._faults.malformed("a tool call whose index is no number")
        place = self._places.get(given, len(self._calls))
        if place < len(self._calls):
            known = self._calls[place].wire_id
            if wire_id and known and wire_id != known:
                place = self._place_of(wire_id)
        self._places[given] = place
        return place

    def _place_of(self, wire_id: str) -> int:
        for index, known in enumerate(self._calls):
            if known.wire_id == wire_id:
                return index
        return len(self._calls)

    def _read_usage(self, usage: object) -> Usage:
        details = getattr(usage, "prompt_tokens_details", None)
        return Usage(
            prompt_tokens=_count(getattr(usage, "prompt_tokens", None)),
            completion_tokens=_count(getattr(usage, "completion_tokens", None)),
            cached_tokens=_count(getattr(details, "cached_tokens", None)),
            calls=1,
        )

    def _estimated(self) -> Usage:
        prompt = sum(
            len(message.content)
            + sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
            for message in self._request.messages
        )
        prompt += sum(len(repr(spec.parameters)) for spec in self._request.tools)
        return Usage(
            prompt_tokens=-(-prompt // _CHARACTERS_PER_TOKEN),
            completion_tokens=-(-self._characters // _CHARACTERS_PER_TOKEN),
            calls=1,
        )

    def _text(self, value: object, what: str) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._faults.malformed(f"a {what} that is no text")
        return value


def _thinks(delta: object) -> bool:
    """Whether the chunk carries reasoning, which is not part of the reply."""
    return bool(getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None))


def _count(value: object) -> int:
    """A number of tokens; what is none counts as 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0

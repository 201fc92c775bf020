"""A ChatRequest as the body of an OpenAI chat completion, in the dialect of one server."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from treadle.core.chat import ChatRequest, Message, ResponseSchema
from treadle.core.json_value import compact_json
from treadle.serving.hints import Backend, hint_fields, hint_headers

_LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")

_log = logging.getLogger("treadle.serving")


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The fields to send; `optional` are those that the call can do without.

    tool_names: from the tools' names on the wire to their names in Treadle.
    headers: to send beside those of every request.
    """

    fields: Mapping[str, object]
    optional: Mapping[str, object]
    tool_names: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(slots=True)
class Dialect:
    """What a server takes, as far as is known; it learns when the server refuses a field."""

    backend: Backend
    structured_output: bool
    refused: set[str] = field(default_factory=set)

    def body(self, model: str, request: ChatRequest) -> RequestBody:
        """The body for `request`."""
        names = _wire_names(spec.name for spec in request.tools)
        messages = request.messages
        optional: dict[str, object] = {"stream_options": {"include_usage": True}}
        if request.response_schema is not None:
            if self.structured_output:
                optional["response_format"] = _response_format(request.response_schema)
            else:
                messages = with_schema(messages, request.response_schema)
        if request.temperature is not None:
            optional["temperature"] = request.temperature
        fields: dict[str, object] = {
            "model": model,
            "messages": [_message(message, names) for message in messages],
        }
        if request.max_tokens is not None:
            optional[self._limit_field] = request.max_tokens
        if request.tools:
            fields["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": names[spec.name],
                        "description": spec.description,
                        "parameters": dict(spec.parameters),
                    },
                }
                for spec in request.tools
            ]
        optional.update(hint_fields(request.hint, self.backend))
        optional = {name: value for name, value in optional.items() if name not in self.refused}
        tool_names = {wire: name for name, wire in names.items()}
        return RequestBody(fields, optional, tool_names, hint_headers(request.hint, self.backend))

    def drop(self, name: str, model: str) -> None:
        """Do without the field `name` from now on, and say so in the log."""
        if name in self.refused:
            return
        self.refused.add(name)
        if name == "response_format":
            self.structured_output = False
            instead = "the schema goes into the prompt instead"
        elif name in _LIMIT_FIELDS and self._limit_field not in self.refused:
            instead = f"'{self._limit_field}' is sent instead"
        else:
            instead = "it is left out"
        _log.warning("%s does not take '%s': from now on %s", model, name, instead)

    @property
    def _limit_field(self) -> str:
        # OpenAI's reasoning models know the new name only, most other servers the old one.
        old, new = _LIMIT_FIELDS
        first, second = (new, old) if self.backend == "openai" else (old, new)
        return second if first in self.refused else first


def with_schema(messages: tuple[Message, ...], wanted: ResponseSchema) -> tuple[Message, ...]:
    """`messages` asking for `wanted` in words.

    The request goes to the end of the last message where that is the user's: many chat templates
    take neither a second system message nor two user messages in a row.
    """
    kind = "object" if wanted.schema.get("type", "object") == "object" else "value"
    text = (
        f"Reply with one JSON {kind} only, the {wanted.name}, without any text around it. "
        f"It must match this JSON schema:\n{compact_json(dict(wanted.schema))}"
    )
    if messages and messages[-1].role == "user":
        last = Message("user", f"{messages[-1].content}\n\n{text}")
        return (*messages[:-1], last)
    return (*messages, Message("user", text))


def _response_format(wanted: ResponseSchema) -> dict[str, object]:
    name = re.sub(r"[^A-Za-z0-9_-]", "_", wanted.name)[:64]
    schema = {"name": name, "schema": dict(wanted.schema), "strict": False}
    return {"type": "json_schema", "json_schema": schema}


def _message(message: Message, names: Mapping[str, str]) -> dict[str, object]:
    wire: dict[str, object] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["content"] = message.content or None
        wire["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": names.get(call.name) or _wire_name(call.name),
                    "arguments": call.arguments,
                },
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _wire_name(name: str) -> str:
    """`name` as servers take it: letters, digits, `_` and `-`, at most 64; ours may have dots."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "_"


def _wire_names(names: Iterable[str]) -> dict[str, str]:
    """A name on the wire for each of `names`, no two alike."""
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    # Names that need no change come first, so that they keep theirs.
    for name in sorted(names, key=lambda name: _wire_name(name) != name):
        wire, number = _wire_name(name), 2
        while wire in taken:
            suffix = f"_{number}"
            wire, number = _wire_name(name)[: 64 - len(suffix)] + suffix, number + 1
        taken.add(wire)
        chosen[name] = wire
    return chosen

"""How many tokens a request is before anybody has counted them."""

from __future__ import annotations

from treadle.core.chat import ChatRequest
from treadle.core.json_value import compact_json

BYTES_PER_TOKEN = 4
PER_MESSAGE = 4
"""Tokens that chat templates put around a message: its role and its ends."""


def estimate_prompt(request: ChatRequest) -> int:
    """Prompt tokens of `request`: messages, tool calls, tools and schema, four bytes a token.

    Bytes of UTF-8 and not characters: English has about four of both to a token, other scripts
    have more bytes and more tokens to a character. Numbers, code and rare words take more tokens
    than this, repeated text fewer.
    """
    bytes_ = 0
    for message in request.messages:
        bytes_ += _size(message.content)
        for call in message.tool_calls:
            bytes_ += _size(call.name) + _size(call.arguments)
    for spec in request.tools:
        bytes_ += _size(spec.name) + _size(spec.description)
        bytes_ += _size(compact_json(dict(spec.parameters)))
    if request.response_schema is not None:
        # Whether it goes into the prompt is the backend's affair.
        bytes_ += _size(compact_json(dict(request.response_schema.schema)))
    return estimate_text(bytes_) + PER_MESSAGE * len(request.messages)


def estimate_text(size: int) -> int:
    """Tokens of `size` bytes of text."""
    return -(-size // BYTES_PER_TOKEN)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

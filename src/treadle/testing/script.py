"""Scripts: which reply comes next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from treadle.core.chat import ToolCall
from treadle.core.errors import ModelError
from treadle.core.json_value import compact_json

RequestT = TypeVar("RequestT")
ReplyT = TypeVar("ReplyT")


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """A reply that calls tools, after `text` if there is any."""

    calls: Sequence[ToolCall]
    text: str = ""


Content: TypeAlias = "str | Mapping[str, object] | Sequence[ToolCall] | ToolCalls"
"""What a scripted reply may say: text, an object sent as JSON, or tool calls."""


def content_of(reply: Content) -> ToolCalls:
    """`reply` as text and tool calls."""
    if isinstance(reply, ToolCalls):
        return reply
    if isinstance(reply, str):
        return ToolCalls((), reply)
    if isinstance(reply, Mapping):
        return ToolCalls((), compact_json(dict(reply)))
    return ToolCalls(tuple(reply))


def pieces(text: str, size: int) -> list[str]:
    """`text` in pieces of `size` characters."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def tokens(text: str) -> int:
    """About how many tokens `text` has: four characters each, rounded up."""
    return -(-len(text) // 4)


class Script(Generic[RequestT, ReplyT]):
    """Replies in order, or one function that answers every request. Safe between threads."""

    def __init__(
        self,
        replies: Iterable[ReplyT | Callable[[RequestT], ReplyT]] | Callable[[RequestT], ReplyT],
    ) -> None:
        self._answer = replies if callable(replies) else None
        self._replies = [] if callable(replies) else list(replies)
        self._position = 0
        self._lock = threading.Lock()

    def next(self, request: RequestT) -> ReplyT:
        """The reply to `request`. Raises ModelError (`script_exhausted`) when none is left."""
        if self._answer is not None:
            return self._answer(request)
        with self._lock:
            position = self._position
            if position >= len(self._replies):
                raise ModelError(
                    "script_exhausted",
                    f"the script has {len(self._replies)} replies and was asked for one more; "
                    f"add a reply, or script a function that answers every request",
                )
            self._position += 1
        reply = self._replies[position]
        if callable(reply):
            answer: Callable[[RequestT], ReplyT] = reply  # pyright: ignore[reportAssignmentType]
            return answer(request)
        return reply

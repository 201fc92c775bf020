"""A model that says what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TypeAlias

from treadle.core.chat import (
    ChatDelta,
    ChatRequest,
    Finished,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from treadle.core.clock import Clock, SystemClock
from treadle.core.errors import ModelError
from treadle.testing.script import Content, Script, ToolCalls, content_of, pieces, tokens

Reply: TypeAlias = "Content | ModelError"
Answer: TypeAlias = "Callable[[ChatRequest], Reply]"
Replies: TypeAlias = "Iterable[Reply | Answer] | Answer"


class ScriptedModel:
    """A `ChatModel` that replays replies, streamed in small chunks.

    replies: in order; each is a text, a mapping (sent as JSON), `ToolCalls` or a sequence of
        `ToolCall`, a ModelError to raise, or a function of the request that returns one of those.
        One function in place of the list answers every request.
    by_purpose: a script per purpose ("plan", "repair", "join", "step", "agent"), looked up in the
        request's hint; `replies` serves the purposes that are not named.
    tokens_per_second: how fast the chunks come; None for no pause between them.
    chunk: characters per chunk (about one token).
    clock: where pauses are spent.

    What was asked is in `requests`. One model may serve concurrent calls: each takes the next
    reply when it starts. Raises ModelError (`script_exhausted`) when no reply is left.
    """

    def __init__(
        self,
        replies: Replies = (),
        *,
        by_purpose: Mapping[str, Replies] | None = None,
        name: str = "scripted:model",
        tokens_per_second: float | None = None,
        structured_output: bool = True,
        chunk: int = 4,
        clock: Clock | None = None,
    ) -> None:
        if chunk < 1 or (tokens_per_second is not None and not tokens_per_second > 0):
            raise ValueError("chunk and tokens_per_second are positive numbers")
        self._script: Script[ChatRequest, Reply] = Script(replies)
        self._by_purpose: dict[str, Script[ChatRequest, Reply]] = {
            purpose: Script(each) for purpose, each in (by_purpose or {}).items()
        }
        self._name = name
        self._structured_output = structured_output
        self._pause = 0.0 if tokens_per_second is None else 1 / tokens_per_second
        self._chunk = chunk
        self._clock = clock or SystemClock()
        self.requests: list[ChatRequest] = []

    @property
    def name(self) -> str:
        """The name that was given."""
        return self._name

    @property
    def structured_output(self) -> bool:
        """What the test wants callers to believe."""
        return self._structured_output

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        """Stream the next reply. Raises it where it is an error."""
        self.requests.append(request)
        purpose = request.hint.purpose if request.hint is not None else ""
        reply = self._by_purpose.get(purpose, self._script).next(request)
        if isinstance(reply, ModelError):
            raise reply
        content = content_of(reply)
        started = self._clock.monotonic()
        for position, delta in enumerate(_deltas(content, self._chunk), start=1):
            # Against the start and not the last chunk: the pauses must not add up their errors.
            due = started + position * self._pause - self._clock.monotonic()
            await (self._clock.sleep(due) if due > 0 else asyncio.sleep(0))
            yield delta
        written = content.text + "".join(call.name + call.arguments for call in content.calls)
        usage = Usage(
            prompt_tokens=sum(tokens(message.content) for message in request.messages),
            completion_tokens=tokens(written),
            calls=1,
        )
        yield Finished("tool_calls" if content.calls else "stop", usage)

    async def aclose(self) -> None:
        """Nothing to close."""


def _deltas(content: ToolCalls, chunk: int) -> list[ChatDelta]:
    deltas: list[ChatDelta] = [TextDelta(piece) for piece in pieces(content.text, chunk)]
    for index, call in enumerate(content.calls):
        deltas.append(ToolCallDelta(index, call.id, call.name))
        deltas += [ToolCallDelta(index, arguments=piece) for piece in pieces(call.arguments, chunk)]
    return deltas

"""`OfflineModel`: speaks the ChatModel protocol without a language model behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from treadle.core.chat import (
    ChatDelta,
    ChatRequest,
    Finished,
    FinishReason,
    Message,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from treadle.core.errors import ModelError
from treadle.core.json_value import JsonSchema, JsonValue, compact_json
from treadle.core.remembered import is_remembered
from treadle.serving.offline.agent_turn import answer_from_results, tool_calls
from treadle.serving.offline.draft import unescaped
from treadle.serving.offline.planning import plan_task
from treadle.serving.offline.summary import extract
from treadle.serving.offline.wording import HOW_TO_CONFIGURE, OUT_OF_RANGE, capabilities

_PIECE = re.compile(r"\s?\w{1,6}|\s?[^\w\s]{1,3}|\s+")
_MIN_TEXT_WORDS = 60
_CHARACTERS_PER_TOKEN = 4


class OfflineModel:
    """A deterministic stand-in that plans a documented range of requests (docs/offline.md).

    It is not a language model and says so. It reads no files and uses no network: it writes
    plans, and the built-in tools do the work.
    """

    @property
    def name(self) -> str:
        """`offline`."""
        return "offline"

    @property
    def structured_output(self) -> bool:
        """True: plans are asked for by their schema."""
        return True

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        """Stream the reply token by token.

        Raises ModelError (`offline_out_of_range`) for a reply in a schema other than that of a
        plan or a decision: that takes a language model.
        """
        if request.response_schema is not None:
            schema = request.response_schema
            text = _structured(schema.name, schema.schema, request.messages)
        elif request.tools:
            calls = tool_calls(request.messages, request.tools)
            if calls:
                async for delta in _stream_calls(request, calls):
                    yield delta
                return
            text = answer_from_results(request.messages) or _plain_answer(_last_user(request))
        else:
            text = _prose(_last_user(request))
        for piece in _PIECE.findall(text):
            await asyncio.sleep(0)
            yield TextDelta(piece)
        yield _finished(request, len(text), "stop")

    async def aclose(self) -> None:
        """Nothing to close."""


def _structured(name: str, schema: JsonSchema, messages: tuple[Message, ...]) -> str:
    if name == "plan":
        said = [
            message.content
            for message in messages
            if message.role == "user" and not is_remembered(message)
        ]
        earlier = said[-2] if len(said) > 1 else ""
        return compact_json(plan_task(said[-1] if said else "", offered_tools(schema), earlier))
    if name == "decision":
        reason = (
            "The offline stand-in is not a language model: it cannot find another way after a step "
            f"has failed. {HOW_TO_CONFIGURE}"
        )
        return compact_json({"action": "fail", "reason": reason})
    what = f"a reply of the kind '{name[:40]}'"
    raise ModelError("offline_out_of_range", OUT_OF_RANGE.format(what=what))


def offered_tools(schema: JsonSchema) -> frozenset[str]:
    """The tools that a plan's schema lets its steps use."""
    node: JsonValue = dict(schema)
    for key in ("properties", "steps", "items", "anyOf"):
        node = node.get(key) if isinstance(node, dict) else None
    names: set[str] = set()
    for variant in node if isinstance(node, list) else []:
        inner: JsonValue = variant
        for key in ("properties", "tool", "const"):
            inner = inner.get(key) if isinstance(inner, dict) else None
        if isinstance(inner, str):
            names.add(inner)
    return frozenset(names)


def _last_user(request: ChatRequest) -> str:
    said = [message.content for message in request.messages if message.role == "user"]
    return said[-1] if said else ""


def _prose(prompt: str) -> str:
    if len(prompt.split()) <= _MIN_TEXT_WORDS:
        return _plain_answer(prompt)
    return f"[offline stand-in, not a language model] Extract: {extract(prompt)}"


def _plain_answer(task: str) -> str:
    # No template is resolved here: what was escaped for one is made plain again.
    return unescaped(capabilities(task, []))


async def _stream_calls(
    request: ChatRequest, calls: tuple[ToolCall, ...]
) -> AsyncIterator[ChatDelta]:
    length = 0
    for index, call in enumerate(calls):
        yield ToolCallDelta(index, id=call.id, name=call.name)
        length += len(call.name) + len(call.arguments)
        for piece in _PIECE.findall(call.arguments):
            await asyncio.sleep(0)
            yield ToolCallDelta(index, arguments=piece)
    yield _finished(request, length, "tool_calls")


def _finished(request: ChatRequest, written: int, reason: FinishReason) -> Finished:
    read = sum(len(message.content) for message in request.messages)
    usage = Usage(
        prompt_tokens=-(-read // _CHARACTERS_PER_TOKEN),
        completion_tokens=-(-written // _CHARACTERS_PER_TOKEN),
        calls=1,
    )
    return Finished(reason, usage)

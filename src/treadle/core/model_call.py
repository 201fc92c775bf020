"""The one way in which anything inside Treadle calls a model.

It asks the run's budget first, attaches the ProgramHint, enforces the deadlines that make sure
that a model which never ends cannot hang a run, and records the call as an event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import monotonic

from treadle.core.chat import (
    ChatDelta,
    ChatModel,
    ChatReply,
    ChatRequest,
    Finished,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from treadle.core.errors import ErrorInfo, ModelError
from treadle.core.events import ModelCalled
from treadle.core.program import Program, current_program


@dataclass(frozen=True, slots=True)
class ModelDeadlines:
    """When a model call is given up, in seconds and characters.

    idle: between two deltas (and before the first one).
    total: for the whole call.
    characters: of text and arguments in one reply.
    """

    idle: float = 60.0
    total: float = 300.0
    characters: int = 4_000_000


DEFAULT_DEADLINES = ModelDeadlines()

_CLOSE_SECONDS = 5.0
_log = logging.getLogger("treadle.models")


async def stream_model(
    model: ChatModel,
    request: ChatRequest,
    *,
    purpose: str,
    deadlines: ModelDeadlines = DEFAULT_DEADLINES,
) -> AsyncGenerator[ChatDelta, None]:
    """Stream the reply of `model` to `request`, on behalf of the current program.

    purpose: "plan", "repair", "join", "step" or "agent"; recorded and sent as a hint.

    Raises BudgetExceeded before the call when nothing is left, and ModelError with
    `model_timeout`, `model_runaway` or `model_stream_cut` for a reply that does not come, does
    not end or breaks off. Every other ModelError is the model's own.
    """
    program = current_program.get()
    if program is not None:
        program.budget.reserve_model_call()
        request = _within_budget(request, program, purpose)
    started = monotonic()
    first: float | None = None
    usage = Usage(calls=1)
    error: ErrorInfo | None = None
    characters = 0
    finished = False
    try:
        async with aclosing(_with_deadlines(model, request, deadlines)) as deltas:
            async for delta in deltas:
                if first is None:
                    first = monotonic() - started
                if isinstance(delta, Finished):
                    finished = True
                    usage = replace(delta.usage, calls=1)
                    yield delta
                    break
                characters += len(delta.text if isinstance(delta, TextDelta) else delta.arguments)
                if characters > deadlines.characters:
                    raise ModelError(
                        "model_runaway",
                        f"{model.name} wrote more than {deadlines.characters:,} characters "
                        f"without an end; the call was given up",
                    )
                yield delta
        if not finished:
            raise ModelError(
                "model_stream_cut", f"the reply of {model.name} broke off", retryable=True
            )
    except (GeneratorExit, asyncio.CancelledError):
        # After the last delta this is how every caller leaves.
        if not finished:
            error = ErrorInfo("cancelled", f"the call of {model.name} was given up by its caller")
        raise
    except BaseException as failure:
        error = ErrorInfo.of(failure)
        raise
    finally:
        if program is not None:
            if first is not None and not finished:
                usage = _estimated(request, characters)
            program.budget.settle_tokens(usage.total_tokens)
            program.log.append(
                ModelCalled(
                    model=model.name,
                    purpose=purpose,
                    step_id=program.step_id,
                    usage=usage,
                    first_delta_seconds=first,
                    seconds=monotonic() - started,
                    error=error,
                )
            )


async def call_model(
    model: ChatModel,
    request: ChatRequest,
    *,
    purpose: str,
    deadlines: ModelDeadlines = DEFAULT_DEADLINES,
) -> ChatReply:
    """Like `stream_model`, collected into one reply. Raises what `stream_model` raises."""
    async with aclosing(
        stream_model(model, request, purpose=purpose, deadlines=deadlines)
    ) as deltas:
        return await collect(deltas)


async def collect(deltas: AsyncIterator[ChatDelta]) -> ChatReply:
    """Put the deltas of one reply together. Raises ModelError (`model_stream_cut`)."""
    text: list[str] = []
    calls: dict[int, ToolCall] = {}
    async for delta in deltas:
        match delta:
            case TextDelta():
                text.append(delta.text)
            case ToolCallDelta():
                calls[delta.index] = _extended(calls.get(delta.index), delta)
            case Finished():
                ordered = tuple(calls[index] for index in sorted(calls))
                return ChatReply("".join(text), ordered, delta.reason, delta.usage)
    raise ModelError("model_stream_cut", "the model's reply broke off", retryable=True)


def _estimated(request: ChatRequest, characters: int) -> Usage:
    """What a call cost that was cut before it said so; four characters are about one token."""
    prompt = sum(len(message.content) for message in request.messages)
    return Usage(prompt_tokens=prompt // 4, completion_tokens=characters // 4, calls=1)


def _extended(call: ToolCall | None, delta: ToolCallDelta) -> ToolCall:
    call = call or ToolCall(id="", name="", arguments="")
    return ToolCall(
        id=delta.id or call.id,
        name=call.name + (delta.name or ""),
        arguments=call.arguments + delta.arguments,
    )


def _within_budget(request: ChatRequest, program: Program, purpose: str) -> ChatRequest:
    remaining = program.budget.remaining_tokens
    max_tokens = request.max_tokens
    if remaining is not None:
        max_tokens = remaining if max_tokens is None else min(max_tokens, remaining)
    return replace(request, max_tokens=max_tokens, hint=program.hint(purpose))


async def _with_deadlines(
    model: ChatModel, request: ChatRequest, deadlines: ModelDeadlines
) -> AsyncGenerator[ChatDelta, None]:
    loop = asyncio.get_running_loop()
    last_moment = loop.time() + deadlines.total
    stream = model.stream(request)
    try:
        while True:
            now = loop.time()
            try:
                async with asyncio.timeout_at(min(last_moment, now + deadlines.idle)):
                    delta = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                limit = (
                    f"did not end within {deadlines.total:g} s"
                    if loop.time() >= last_moment
                    else f"was silent for {deadlines.idle:g} s"
                )
                raise ModelError(
                    "model_timeout", f"{model.name} {limit}; the call was given up"
                ) from None
            yield delta
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await _close_in_time(close)


async def _close_in_time(close: Callable[[], Awaitable[None]]) -> None:
    """Close a model's stream; one that does not let go is left behind rather than waited for."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await close()
    except TimeoutError:
        _log.warning("a model's stream did not close within %g s", _CLOSE_SECONDS)

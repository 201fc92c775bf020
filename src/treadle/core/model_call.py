"""The one way in which anything inside Treadle calls a model.

It reserves what the call may use in the run's budget, attaches the ProgramHint, enforces the
deadlines that make sure that a model which never ends cannot hang a run, records the call as an
event and settles what it has used.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import monotonic

from treadle.core.budget import Reservation
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
from treadle.core.program import Program, ProgramAware, current_program
from treadle.core.prompt_estimate import estimate_prompt, estimate_text
from treadle.core.secrets import any_known, redacted_text


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

    Within a run whose budget limits tokens or money, `max_tokens` is what could be reserved for
    the reply (see `BudgetMeter.reserve_model_call`).

    Raises BudgetExceeded before the call when too little is left, ConfigError (`no_price`) where
    money is limited and the model has no price, and ModelError with `model_timeout`,
    `model_runaway` or `model_stream_cut` for a reply that does not come, does not end or breaks
    off. Every other ModelError is the model's own.
    """
    program = current_program.get()
    request = _without_secrets(request)
    reservation = Reservation()
    if program is not None:
        hint = program.hint(purpose)
        reservation = _reserve(program, model, request)
        request = replace(request, max_tokens=reservation.max_tokens, hint=hint)
        if isinstance(model, ProgramAware):
            program.called[id(model)] = model
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
                    usage = _priced(replace(delta.usage, calls=1), model, program)
                    yield Finished(delta.reason, usage)
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
            if not finished:
                cut = usage if first is None else _estimated(request, characters)
                usage = _priced(cut, model, program)
            program.budget.settle(reservation, usage)
            program.record(
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


def _without_secrets(request: ChatRequest) -> ChatRequest:
    """What a tool was careless with reaches no model."""
    if not any_known():
        return request
    messages = tuple(
        replace(
            each,
            content=redacted_text(each.content),
            tool_calls=tuple(
                replace(call, arguments=redacted_text(call.arguments)) for call in each.tool_calls
            ),
        )
        for each in request.messages
    )
    return replace(request, messages=messages)


def _reserve(program: Program, model: ChatModel, request: ChatRequest) -> Reservation:
    return program.budget.reserve_model_call(
        model.name, lambda: estimate_prompt(request), request.max_tokens
    )


def _priced(usage: Usage, model: ChatModel, program: Program | None) -> Usage:
    """`usage` with what it costs, where that is known."""
    price = None if program is None else program.budget.price(model.name)
    return usage if price is None else replace(usage, cost=price.of(usage))


def _estimated(request: ChatRequest, characters: int) -> Usage:
    """What a call used that was cut before it said so."""
    return Usage(
        prompt_tokens=estimate_prompt(request),
        completion_tokens=estimate_text(characters),
        calls=1,
    )


def _extended(call: ToolCall | None, delta: ToolCallDelta) -> ToolCall:
    call = call or ToolCall(id="", name="", arguments="")
    return ToolCall(
        id=delta.id or call.id,
        name=call.name + (delta.name or ""),
        arguments=call.arguments + delta.arguments,
    )


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

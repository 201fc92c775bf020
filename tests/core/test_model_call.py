"""Model calls are counted, hinted, recorded and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager

import pytest

from treadle.core.budget import Budget, BudgetMeter
from treadle.core.chat import (
    ChatDelta,
    ChatRequest,
    Finished,
    Message,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from treadle.core.errors import BudgetExceeded, ModelError
from treadle.core.event_log import EventLog
from treadle.core.events import ModelCalled
from treadle.core.model_call import ModelDeadlines, call_model, collect, stream_model
from treadle.core.program import Outlook, Program, current_program
from treadle.core.prompt_estimate import estimate_prompt
from treadle.testing import FakeClock, ScriptedModel

REQUEST = ChatRequest((Message("user", "Tell me something."),))


@contextmanager
def program(budget: Budget | None = None) -> Iterator[Program]:
    clock = FakeClock()
    made = Program("run_1", BudgetMeter(budget or Budget(), clock), EventLog("run_1", clock), "a")
    token = current_program.set(made)
    try:
        yield made
    finally:
        current_program.reset(token)


def recorded(made: Program) -> ModelCalled:
    (event,) = made.log.events
    assert isinstance(event, ModelCalled)
    return event


class StrangeModel:
    """Streams deltas and then does what a model should not: stops, hangs or goes on for ever."""

    name = "strange:model"
    structured_output = True

    def __init__(self, deltas: list[ChatDelta], then: str, *, stubborn: bool = False) -> None:
        self.deltas = deltas
        self.then = then
        self.stubborn = stubborn
        self.closed = False

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        try:
            for delta in self.deltas:
                yield delta
            while self.then == "repeat":
                await asyncio.sleep(0)
                yield TextDelta("more ")
            if self.then == "hang":
                await asyncio.Event().wait()
        finally:
            self.closed = True

    async def aclose(self) -> None:
        """Nothing to close."""


async def test_outside_of_a_run_a_call_just_runs() -> None:
    reply = await call_model(ScriptedModel(["Hello."]), REQUEST, purpose="step")
    assert reply.text == "Hello."


async def test_a_call_is_hinted_counted_and_recorded() -> None:
    model = ScriptedModel(["Hello there."])
    with program(Budget(tokens=1000)) as made:
        inside = made.for_step("b", lambda: Outlook(next_tool="look", remaining_calls=2))
        token = current_program.set(inside)
        reply = await call_model(model, REQUEST, purpose="agent")
        current_program.reset(token)
    hint = model.requests[0].hint
    assert hint is not None
    assert (hint.program_id, hint.step_id, hint.purpose) == ("run_1", "b", "agent")
    assert (hint.next_tool, hint.remaining_calls) == ("look", 2)
    assert model.requests[0].max_tokens == 1000 - estimate_prompt(REQUEST)
    event = recorded(made)
    assert (event.model, event.purpose, event.step_id) == ("scripted:model", "agent", "b")
    assert event.usage == reply.usage
    assert event.error is None
    assert made.budget.tokens == reply.usage.total_tokens > 0


async def test_the_smaller_limit_on_the_reply_counts() -> None:
    model = ScriptedModel(["a", "b"])
    with program(Budget(tokens=100)):
        await call_model(model, ChatRequest(REQUEST.messages, max_tokens=7), purpose="step")
        await call_model(model, ChatRequest(REQUEST.messages, max_tokens=700), purpose="step")
    first, second = (request.max_tokens for request in model.requests)
    assert first == 7
    assert second is not None
    assert second < 100


async def test_a_call_beyond_the_budget_does_not_happen() -> None:
    model = ScriptedModel(["a long reply indeed " * 5, "never"])
    with program(Budget(tokens=30)) as made:
        await call_model(model, REQUEST, purpose="step")
        with pytest.raises(BudgetExceeded):
            await call_model(model, REQUEST, purpose="step")
    assert len(model.requests) == 1
    recorded(made)


async def test_a_callers_last_word_is_no_error() -> None:
    with program() as made:
        async with aclosing(stream_model(ScriptedModel(["Hi."]), REQUEST, purpose="step")) as all_:
            async for delta in all_:
                if isinstance(delta, Finished):
                    break
    assert recorded(made).error is None


async def test_a_caller_that_leaves_early_is_recorded_and_pays_for_what_it_got() -> None:
    model = StrangeModel([TextDelta("12345678")], "hang")
    with program() as made:
        async with aclosing(stream_model(model, REQUEST, purpose="step")) as deltas:
            async for _ in deltas:
                break
    event = recorded(made)
    assert model.closed
    assert event.error is not None
    assert event.error.code == "cancelled"
    assert event.usage == Usage(estimate_prompt(REQUEST), 2, 0, 1)
    assert made.budget.tokens == event.usage.total_tokens


async def test_cancelling_closes_the_model_and_is_recorded() -> None:
    model = StrangeModel([TextDelta("x")], "hang")
    with program() as made:
        async with asyncio.timeout(10):
            task = asyncio.ensure_future(call_model(model, REQUEST, purpose="step"))
            while not model.closed:
                await asyncio.sleep(0)
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    event = recorded(made)
    assert event.error is not None
    assert event.error.code == "cancelled"


@pytest.mark.parametrize(
    ("model", "deadlines", "code"),
    [
        (StrangeModel([], "hang"), ModelDeadlines(idle=0.02), "model_timeout"),
        (StrangeModel([TextDelta("x")], "hang"), ModelDeadlines(idle=0.02), "model_timeout"),
        (StrangeModel([], "repeat"), ModelDeadlines(total=0.05), "model_timeout"),
        (StrangeModel([], "repeat"), ModelDeadlines(characters=100), "model_runaway"),
        (
            StrangeModel([ToolCallDelta(0, "c", "f", "x" * 101)], "stop"),
            ModelDeadlines(characters=100),
            "model_runaway",
        ),
        (StrangeModel([], "stop"), ModelDeadlines(), "model_stream_cut"),
        (StrangeModel([TextDelta("x")], "stop"), ModelDeadlines(), "model_stream_cut"),
    ],
)
async def test_a_model_that_misbehaves_is_given_up(
    model: StrangeModel, deadlines: ModelDeadlines, code: str
) -> None:
    with program() as made:
        async with asyncio.timeout(10):
            with pytest.raises(ModelError) as caught:
                await call_model(model, REQUEST, purpose="step", deadlines=deadlines)
    assert caught.value.code == code
    assert model.closed
    event = recorded(made)
    assert event.error is not None
    assert event.error.code == code


async def test_a_models_own_error_passes_and_costs_nothing() -> None:
    model = ScriptedModel([ModelError("model_unreachable", "no")])
    with program() as made, pytest.raises(ModelError, match="model_unreachable"):
        await call_model(model, REQUEST, purpose="step")
    event = recorded(made)
    assert event.error is not None
    assert event.error.code == "model_unreachable"
    assert (event.usage, event.first_delta_seconds) == (Usage(calls=1), None)


async def test_collect_puts_interleaved_tool_calls_together() -> None:
    async def deltas() -> AsyncIterator[ChatDelta]:
        yield TextDelta("I ")
        yield ToolCallDelta(1, "c1", "g")
        yield ToolCallDelta(0, "c0", "f", '{"a"')
        yield TextDelta("see.")
        yield ToolCallDelta(1, arguments="{}")
        yield ToolCallDelta(0, arguments=":1}")
        yield Finished("tool_calls", Usage(1, 2, 0, 1))

    reply = await collect(deltas())
    assert reply.text == "I see."
    assert reply.tool_calls == (ToolCall("c0", "f", '{"a":1}'), ToolCall("c1", "g", "{}"))
    assert reply.usage == Usage(1, 2, 0, 1)


async def test_collect_refuses_a_reply_without_an_end() -> None:
    async def deltas() -> AsyncIterator[ChatDelta]:
        yield TextDelta("I ")

    with pytest.raises(ModelError, match="model_stream_cut"):
        await collect(deltas())

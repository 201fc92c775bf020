"""Spans of real runs, through the real SDK."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer, SpanKind, StatusCode
from tests.cli.hand_made import Events
from tests.cli.show.recorded import MIXED, events_of, run_plan, step

from treadle import Agent, Plan, Runtime, tool
from treadle.core.chat import ToolCall, Usage
from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    Event,
    ModelCalled,
    RunFinished,
    RunResumed,
    RunStarted,
    StepFinished,
    StepProgress,
    StepRetrying,
    StepStarted,
    ToolCalled,
    UndoFinished,
    UndoStarted,
)
from treadle.core.payload import Payload
from treadle.telemetry import SpanExporter
from treadle.testing import ScriptedModel


class Traced:
    """A tracer that remembers."""

    def __init__(self, *, content: bool = False) -> None:
        self._memory = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._memory))
        self.exporter = SpanExporter(provider.get_tracer("treadle"), content=content)

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            self.exporter.take(event)

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._memory.get_finished_spans()

    def of(self, step_id: str) -> ReadableSpan:
        (found,) = [
            span
            for span in self.spans
            if attributes(span).get("treadle.step.id") == step_id
            and attributes(span)["gen_ai.operation.name"] == "execute_tool"
            and "treadle.step.status" in attributes(span)
        ]
        return found

    def named(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans if span.name == name]
        return found


def traced(events: Iterable[Event], *, content: bool = False) -> Traced:
    result = Traced(content=content)
    result.take(events)
    return result


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


async def test_a_run_is_the_root_and_its_steps_are_below() -> None:
    events = await events_of(*MIXED)
    trace = traced(events)
    root = trace.named("invoke_agent treadle")
    assert parent_of(root) is None
    assert attributes(root)["gen_ai.operation.name"] == "invoke_agent"
    assert attributes(root)["gen_ai.agent.name"] == "treadle"
    assert attributes(root)["treadle.run.id"] == events[0].run_id
    assert attributes(root)["treadle.run.status"] == "failed"
    steps = [span for span in trace.spans if span is not root]
    assert len(steps) == 6  # the seventh was skipped
    assert {parent_of(span) for span in steps} == {id_of(root)}
    give = trace.of("a")
    assert give.name == "execute_tool give"
    assert attributes(give)["gen_ai.tool.name"] == "give"
    assert attributes(give)["gen_ai.tool.type"] == "function"
    assert attributes(trace.of("g"))["treadle.step.items"] == 3


async def test_times_are_those_of_the_events() -> None:
    events = await events_of(*MIXED)
    trace = traced(events)
    root = trace.named("invoke_agent treadle")
    assert (root.start_time, root.end_time) == (micro(events[0].at), micro(events[-1].at))
    for event in events:
        if isinstance(event, StepStarted) and event.attempt == 1:
            assert trace.of(event.step_id).start_time == micro(event.at)
        elif isinstance(event, StepFinished) and event.status != "skipped":
            assert trace.of(event.step_id).end_time == micro(event.at)


def micro(at: float) -> int:
    return round(at * 1e6) * 1_000


async def test_failures_retries_and_skips_are_told_by_their_codes() -> None:
    trace = traced(await events_of(*MIXED))
    failed, root = trace.of("e"), trace.named("invoke_agent treadle")
    assert failed.status.status_code is StatusCode.ERROR
    assert attributes(failed)["error.type"] == "tool_failed"
    assert attributes(failed)["treadle.step.attempts"] == 2
    (again,) = failed.events
    assert dict(again.attributes or {})["error.type"] == "tool_failed"
    assert root.status.status_code is StatusCode.ERROR
    (skipped,) = [each for each in root.events if each.name == "treadle.step.not_run"]
    assert dict(skipped.attributes or {})["treadle.step.id"] == "f"
    assert trace.of("a").status.status_code is StatusCode.UNSET


async def test_payloads_stay_at_home_unless_asked_for() -> None:
    events = await events_of(
        step("a", args={"value": "secret-in"}),
        step("b", "fail", args={"reason": "secret-reason ${a}"}, on_failure="value"),
        answer="secret-answer ${a}",
    )
    quiet = "".join(span.to_json() for span in traced(events).spans)
    assert "secret" not in quiet
    loud = traced(events, content=True)
    assert json.loads(attributes(loud.of("a"))["gen_ai.tool.call.arguments"]) == {
        "value": "secret-in"
    }
    assert json.loads(attributes(loud.of("a"))["gen_ai.tool.call.result"]) == "secret-in"
    assert "secret-reason" in str(loud.of("b").status.description)
    (message,) = json.loads(
        attributes(loud.named("invoke_agent treadle"))["gen_ai.output.messages"]
    )
    assert message["parts"] == [{"type": "text", "content": "secret-answer secret-in"}]


async def test_what_an_agent_does_lies_beneath_its_step() -> None:
    @tool(effect="pure")
    async def add(first: int, second: int) -> int:
        """Add."""
        return first + second

    model = ScriptedModel([[ToolCall("1", "add", '{"first": 1, "second": 2}')], "three"])
    agent = Agent("clerk", "Adds.", tools=[add], model=model)
    async with Runtime(builtins=False, model=ScriptedModel([]), tools=[agent]) as runtime:
        plan = Plan.from_wire({"steps": [step("s", "clerk", args={"task": "1 + 2"})]})
        result = await runtime.run(plan)
    assert result.status == "succeeded"
    trace = traced(result.events)
    clerk = trace.named("execute_tool clerk")
    chats = [span for span in trace.spans if span.name.startswith("chat ")]
    assert len(chats) == 2
    called = trace.named("execute_tool add")
    for span in (*chats, called):
        assert parent_of(span) == id_of(clerk)
    assert {span.kind for span in chats} == {SpanKind.CLIENT}
    said = attributes(chats[0])
    assert said["gen_ai.operation.name"] == "chat"
    assert said["gen_ai.usage.output_tokens"] >= 0
    assert called.start_time == chats[0].end_time


def test_a_model_call_has_its_own_length_provider_and_error() -> None:
    make = Events()
    events = [
        make(RunStarted),
        make(
            ModelCalled, model="openai:gpt-5", purpose="plan", step_id=None, seconds=0.5,
            usage=Usage(7, 3, 2, 1), first_delta_seconds=0.25,
            error=ErrorInfo("model_timeout", "secret"),
        ),
    ]  # fmt: skip
    span = traced(events).named("chat gpt-5")
    assert (span.start_time, span.end_time) == (1_500_000_000, 2_000_000_000)
    said = attributes(span)
    assert said["gen_ai.provider.name"] == "openai"
    assert said["gen_ai.request.model"] == "gpt-5"
    assert said["gen_ai.usage.input_tokens"] == 7
    assert said["gen_ai.usage.cache_read.input_tokens"] == 2
    assert said["gen_ai.response.time_to_first_chunk"] == 0.25
    assert said["error.type"] == "model_timeout"
    assert span.status.description == "model_timeout"


def test_items_with_effects_have_spans_of_their_own() -> None:
    make = Events()
    error = ErrorInfo("tool_failed", "no")
    events = [
        make(RunStarted),
        make.planned("w"),
        make(StepStarted, step_id="w"),
        make(StepStarted, step_id="w", index=0),
        make(StepStarted, step_id="w", index=1),
        make(StepRetrying, step_id="w", index=1, attempt=1, delay=0.5, error=error),
        make(StepProgress, step_id="w", index=0, done=1, total=2, output=Payload(1)),
        make(StepStarted, step_id="w", index=1, attempt=2),
        make(StepProgress, step_id="w", index=1, done=2, total=2, error=error),
        make(StepFinished, step_id="w", status="failed", error=error),
        make(RunFinished, status="failed", error=error),
    ]
    trace = traced(events)
    items = [span for span in trace.spans if "treadle.step.item" in attributes(span)]
    assert [attributes(span)["treadle.step.item"] for span in items] == [0, 1]
    assert {parent_of(span) for span in items} == {id_of(trace.of("w"))}
    assert [span.status.status_code for span in items] == [StatusCode.UNSET, StatusCode.ERROR]
    assert [(span.end_time or 0) // 10**9 for span in items] == [7, 9]


def test_a_resumed_run_is_linked_to_what_was_before() -> None:
    make = Events()
    events = [
        make(RunStarted),
        make.planned("a"),
        make(StepStarted, step_id="a"),
        make(RunResumed),
        make(StepStarted, step_id="a", attempt=2),
        make(StepFinished, step_id="a", status="succeeded"),
        make(RunFinished, status="succeeded"),
        make(UndoStarted, step_id="a"),
        make(UndoFinished, step_id="a", error=ErrorInfo("undo_failed", "no")),
    ]
    trace = traced(events)
    first, second = [span for span in trace.spans if span.name == "invoke_agent treadle"]
    assert attributes(first)["error.type"] == "interrupted"
    assert first.end_time == 3_000_000_000
    assert [link.context.span_id for link in second.links] == [id_of(first)]
    assert attributes(second)["treadle.run.resumed"] is True
    again = [span for span in trace.spans if span.name == "execute_tool increase"]
    assert [parent_of(span) for span in again] == [id_of(first), id_of(second)]
    undone = trace.named("undo increase")
    assert parent_of(undone) == id_of(second)
    assert attributes(undone)["error.type"] == "undo_failed"


def test_a_nested_run_lies_beneath_the_step_that_started_it() -> None:
    make, inner = Events(), Events()
    outer = [make(RunStarted), make.planned("a"), make(StepStarted, step_id="a")]
    child = [inner(RunStarted, parent="run/a"), inner(RunFinished, status="succeeded")]
    for event in child:
        object.__setattr__(event, "run_id", "run_2")
    rest = [
        make(StepFinished, step_id="a", status="succeeded"),
        make(RunFinished, status="succeeded"),
    ]
    trace = traced([*outer, *child, *rest])
    (nested,) = [span for span in trace.spans if attributes(span)["treadle.run.id"] == "run_2"]
    assert parent_of(nested) == id_of(trace.of("a"))


async def test_closing_ends_what_is_open_at_its_last_event() -> None:
    events = await events_of(*MIXED)
    for count in range(1, len(events)):
        trace = traced(events[:count])
        trace.exporter.close()
        root = trace.named("invoke_agent treadle")
        assert root.end_time == micro(max(event.at for event in events[:count]))
        assert attributes(root)["error.type"] == "interrupted"
        trace.exporter.close()
        assert trace.named("invoke_agent treadle") is root


async def test_a_waiting_run_is_no_error() -> None:
    result = await run_plan(step("w", "write", args={"to": "x"}))
    assert result.status == "waiting"
    root = traced(result.events).named("invoke_agent treadle")
    assert root.status.status_code is StatusCode.UNSET
    assert attributes(root)["treadle.run.status"] == "waiting"


@pytest.mark.parametrize("content", [False, True])
async def test_the_api_alone_is_enough(content: bool) -> None:
    exporter = SpanExporter(NoOpTracer(), content=content)
    for event in await events_of(*MIXED):
        exporter.take(event)
    exporter.close()


def test_what_belongs_to_no_known_run_or_step_is_passed_over() -> None:
    make = Events()
    trace = traced([make(StepStarted, step_id="a"), make(UndoStarted, step_id="a")])
    trace.take([make(RunStarted), make(StepStarted, step_id="ghost")])
    trace.take(
        [
            make(StepProgress, step_id="ghost", done=1, total=1, index=0),
            make(ToolCalled, step_id="ghost", tool="t", arguments=Payload({})),
            make(RunFinished, status="succeeded"),
        ]
    )
    assert {span.name for span in trace.spans} == {"invoke_agent treadle", "execute_tool t"}

"""What happens in a step, as spans."""

from __future__ import annotations

from opentelemetry.trace import SpanKind

from treadle.core.events import (
    ModelCalled,
    StepFinished,
    StepProgress,
    StepRetrying,
    StepStarted,
    ToolCalled,
)
from treadle.telemetry import conventions as names
from treadle.telemetry.run_spans import RunSpans, StepSpan, note


def start_step(run: RunSpans, event: StepStarted, *, content: bool) -> None:
    """An attempt at a step, or at an item of it, begins: the first one opens its span."""
    step = run.steps.get(event.step_id)
    tool = run.tools.get(event.step_id)
    if tool is None:
        return
    attributes = names.tool_attributes(tool, event.run_id, event.step_id)
    if content:
        attributes |= names.arguments_content(event.arguments)
    name = f"execute_tool {tool}"
    if step is None:
        whole = attributes if event.index is None else {}
        attributes_of_step = names.tool_attributes(tool, event.run_id, event.step_id) | whole
        attributes_of_step["gen_ai.tool.call.id"] = f"{event.run_id}/{event.step_id}"
        span = run.start(name, event.at, attributes_of_step, within=run.within(None))
        step = run.steps[event.step_id] = StepSpan(span, tool, event.at, event.at, event.attempt)
    elif event.index is None:
        step.attempts = max(step.attempts, event.attempt)
    if event.index is not None and event.index not in step.items:
        attributes |= {
            names.STEP_ITEM: event.index,
            "gen_ai.tool.call.id": f"{event.run_id}/{event.step_id}/{event.index}",
        }
        step.items[event.index] = run.start(
            name, event.at, attributes, within=run.within(event.step_id)
        )


def progress_step(run: RunSpans, event: StepProgress, *, content: bool) -> None:
    """An item has ended. Only items with effects have a span: of the others no start is known."""
    step = run.steps.get(event.step_id)
    if step is None:
        return
    item = step.items.pop(event.index, None)
    if item is not None:
        if content:
            item.set_attributes(names.result_content(event.output))
        run.end(item, event.at, event.error)
    if event.done == event.total:
        step.span.set_attribute(names.STEP_ITEMS, event.total)


def retry_step(run: RunSpans, event: StepRetrying) -> None:
    """An attempt has failed and another follows."""
    step = run.steps.get(event.step_id)
    if step is None:
        return
    item = None if event.index is None else step.items.get(event.index)
    note(
        step.span if item is None else item, "treadle.step.retrying", event.at,
        step_attempt=event.attempt, retry_delay=event.delay, error=event.error.code,
    )  # fmt: skip


def finish_step(run: RunSpans, event: StepFinished, *, content: bool) -> None:
    """A step has ended; one that never began (it was skipped, say) is an event on the run."""
    step = run.steps.pop(event.step_id, None)
    code = "" if event.error is None else event.error.code
    if step is None:
        note(
            run.root, "treadle.step.not_run", event.at,
            step_id=event.step_id, step_status=event.status, error=code,
        )  # fmt: skip
        return
    step.span.set_attributes({names.STEP_STATUS: event.status, names.STEP_ATTEMPTS: step.attempts})
    if content:
        step.span.set_attributes(names.result_content(event.output))
    for item in step.items.values():
        run.end(item, event.at, event.error)
    run.end(step.span, event.at, event.error)


def record_model_call(run: RunSpans, event: ModelCalled) -> None:
    """A call of a model has ended: its span lies in the past."""
    step = None if event.step_id is None else run.steps.get(event.step_id)
    attributes = names.chat_attributes(event)
    span = run.start(
        f"chat {attributes['gen_ai.request.model']}",
        event.at - event.seconds,
        attributes,
        within=run.within(event.step_id),
        kind=SpanKind.CLIENT,
    )
    run.end(span, event.at, event.error)
    if step is not None:
        step.called = event.at


def record_tool_call(run: RunSpans, event: ToolCalled, *, content: bool) -> None:
    """A tool that an agent has called has ended; such calls start when the model has spoken."""
    step = None if event.step_id is None else run.steps.get(event.step_id)
    attributes = names.tool_attributes(event.tool, event.run_id, event.step_id)
    if content:
        attributes |= names.arguments_content(event.arguments)
        attributes |= names.result_content(event.output)
    span = run.start(
        f"execute_tool {event.tool}",
        event.at if step is None else step.called,
        attributes,
        within=run.within(event.step_id),
    )
    run.end(span, event.at, event.error)

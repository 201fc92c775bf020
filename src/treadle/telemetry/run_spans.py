"""The spans of one run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)

from treadle.core.errors import ErrorInfo
from treadle.telemetry.conventions import ERROR_TYPE, Attributes, error_attributes


@dataclass(slots=True)
class StepSpan:
    """The open span of a step, with those of its items.

    called: when its last model call ended; the tools that an agent calls start then.
    """

    span: Span
    tool: str
    started: float
    called: float
    attempts: int = 1
    items: dict[int, Span] = field(default_factory=dict)


class RunSpans:
    """The open spans of one run (or of what one process does of it); the root is open.

    content: whether messages of errors are told, which may hold what the run works on.
    """

    def __init__(self, tracer: Tracer, root: Span, *, content: bool) -> None:
        self.root = root
        self.tools: dict[str, str] = {}
        """The tool of each step that was planned."""
        self.steps: dict[str, StepSpan] = {}
        self.last = 0.0
        """When the last event was."""
        self._tracer = tracer
        self._content = content

    def within(self, step_id: str | None) -> Context:
        """Where the spans of what happens in a step belong: beneath it, or beneath the run."""
        step = None if step_id is None else self.steps.get(step_id)
        return set_span_in_context(self.root if step is None else step.span, Context())

    def start(
        self,
        name: str,
        at: float,
        attributes: Attributes,
        *,
        within: Context,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span:
        """Open a span that began at `at`."""
        return self._tracer.start_span(
            name, within, kind=kind, attributes=attributes, start_time=nanoseconds(at)
        )

    def end(self, span: Span, at: float, error: ErrorInfo | None = None) -> None:
        """Close `span`; with an error it counts as failed."""
        end_span(span, at, error, content=self._content)

    def end_all(self, at: float, error: ErrorInfo | None) -> None:
        """Close what is open, items first, the root last."""
        for step in self.steps.values():
            for item in step.items.values():
                self.end(item, at, error)
            self.end(step.span, at, error)
        self.steps.clear()
        self.end(self.root, at, error)


def open_root(
    tracer: Tracer,
    name: str,
    at: float,
    attributes: Attributes,
    *,
    within: Context | None,
    before: Iterable[SpanContext] = (),
) -> Span:
    """The root span of a run. `before`: those of earlier parts of it, which it is linked to."""
    return tracer.start_span(
        name,
        within,
        kind=SpanKind.INTERNAL,
        attributes=attributes,
        links=[Link(each) for each in before],
        start_time=nanoseconds(at),
    )


def end_span(span: Span, at: float, error: ErrorInfo | None, *, content: bool) -> None:
    """Close `span` at `at`, not before it began."""
    if error is not None:
        span.set_attributes(error_attributes(error))
        said = str(error) if content else error.code
        span.set_status(Status(StatusCode.ERROR, said))
    span.end(nanoseconds(at))


def note(span: Span, name: str, at: float, **attributes: str | int | float) -> None:
    """An event on `span`; underscores in names stand for dots, empty texts are left out."""
    named = {
        ERROR_TYPE if key == "error" else f"treadle.{key.replace('_', '.')}": value
        for key, value in attributes.items()
        if value != ""
    }
    span.add_event(name, named, nanoseconds(at))


def nanoseconds(at: float) -> int:
    """Seconds since 1970 as OpenTelemetry counts them."""
    return round(at * 1e6) * 1_000

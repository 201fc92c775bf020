"""Spans of the runs of a Runtime, made of their events while they happen."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from treadle.core.event_log import EventLog
from treadle.core.events import Event, StepStarted

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


class Tracing:
    """Hands the events of runs to a `SpanExporter`, and puts what steps do beneath their spans.

    tracer: of the OpenTelemetry API.
    content: whether spans carry tasks, arguments, results and messages of errors.
    """

    def __init__(self, tracer: Tracer, *, content: bool) -> None:
        from treadle.telemetry import SpanExporter

        self._exporter = SpanExporter(tracer, content=content)
        # Runs that a tool starts in a thread of its own have their events there.
        self._lock = threading.Lock()

    def watch(self, log: EventLog) -> None:
        """Make spans of what is added to `log`; what it holds already has had its spans."""
        with self._lock:
            self._exporter.recall(log.events)
        log.observer = self._take

    def enter(self, run_id: str, step_id: str | None) -> None:
        """Spans that the current task makes from now on lie beneath this step, or the run."""
        from opentelemetry.context import attach
        from opentelemetry.trace import set_span_in_context

        with self._lock:
            span = self._exporter.span_of(run_id, step_id)
        if span is not None:
            # Not detached: the context is the task's own, and ends with it or is set anew.
            attach(set_span_in_context(span))

    def close(self) -> None:
        """End the spans of runs that have no end, as cut short."""
        with self._lock:
            self._exporter.close()

    def _take(self, event: Event) -> None:
        with self._lock:
            self._exporter.take(event)
        if isinstance(event, StepStarted) and event.arguments is not None:
            # Recorded by the task that makes the call, right before it.
            self.enter(event.run_id, event.step_id)

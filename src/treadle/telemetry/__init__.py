"""Traces: the events of runs as OpenTelemetry spans. Needs `opentelemetry-api`."""

from treadle.telemetry.span_exporter import SpanExporter

__all__ = ["SpanExporter"]

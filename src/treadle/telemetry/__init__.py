"""Traces: the events of runs as OpenTelemetry spans. Needs `opentelemetry-api`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.lazy import lazy_names

if TYPE_CHECKING:
    from treadle.telemetry.span_exporter import SpanExporter

__all__ = ["SpanExporter"]

__getattr__, __dir__ = lazy_names(__name__, {"span_exporter": ("SpanExporter",)})

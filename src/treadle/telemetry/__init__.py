"""Traces: the events of runs as OpenTelemetry spans. Needs `opentelemetry-api`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.telemetry.span_exporter import SpanExporter

__all__ = ["SpanExporter"]


def __getattr__(name: str) -> object:
    if name != "SpanExporter":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = import_module(f"{__name__}.span_exporter").SpanExporter
    return value

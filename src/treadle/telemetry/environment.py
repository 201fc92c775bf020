"""A tracer from what OpenTelemetry's own environment variables say."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from treadle.core.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def tracer_from(environment: Mapping[str, str]) -> Tracer | None:
    """A tracer that sends spans where `environment` says; None where it says nothing.

    What is left when the process ends is sent then, as far as that takes no longer than a few
    seconds. Raises ConfigError (`no_otel`) where the
    packages for it are not installed.
    """
    if not any(environment.get(name) for name in _ENDPOINTS):
        return None
    try:
        exporter = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError(
            "no_otel",
            f"an OTLP endpoint is set, but there is no {error.name}: no spans are exported; "
            f"install treadle[otel]",
        ) from None
    from treadle.telemetry.sending import close_at_exit

    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over this name.
    default = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": "treadle"}
    # Its own handler would wait for as long as an endpoint that does not answer is tried again.
    provider = TracerProvider(resource=Resource.create(default), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter.OTLPSpanExporter()))
    close_at_exit(provider.shutdown)
    return provider.get_tracer("treadle", version("treadle"))


def captures_content(environment: Mapping[str, str]) -> bool:
    """Whether spans are to carry what was said, by the variable of the GenAI conventions."""
    return environment.get(_CONTENT, "").strip().lower() == "true"

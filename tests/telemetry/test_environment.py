"""Whether and where spans go, by environment variables."""

import importlib.util

import pytest

from treadle.core.errors import ConfigError
from treadle.telemetry.environment import captures_content, tracer_from

NAME = "OTEL_EXPORTER_OTLP_ENDPOINT"


def _has_exporter() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def test_without_an_endpoint_there_is_no_tracer() -> None:
    assert tracer_from({}) is None
    assert tracer_from({NAME: ""}) is None


@pytest.mark.skipif(_has_exporter(), reason="the exporter is installed here")
def test_an_endpoint_without_the_packages_says_what_to_install() -> None:
    with pytest.raises(ConfigError) as caught:
        tracer_from({NAME: "http://127.0.0.1:9"})
    assert caught.value.code == "no_otel"
    assert "treadle[otel]" in caught.value.message


@pytest.mark.skipif(not _has_exporter(), reason="needs treadle[otel]")
def test_an_endpoint_gives_a_tracer() -> None:
    assert tracer_from({NAME: "http://127.0.0.1:9"}) is not None


@pytest.mark.parametrize(("said", "captures"), [("true", True), ("False", False), ("", False)])
def test_content_is_exported_where_the_variable_says_so(said: str, captures: bool) -> None:
    name = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
    assert captures_content({name: said}) is captures

"""Spans of a real run, sent to a real server."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.cli.conftest import Outcome, plan_of

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

Treadle = Callable[..., Outcome]
PLAN = plan_of(
    {"id": "a", "tool": "increase", "args": {"number": 1}},
    {"id": "b", "tool": "increase", "args": {"number": "${a}"}},
    answer="${b}",
)


class Collector(ThreadingHTTPServer):
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert isinstance(self.server, Collector)
        self.server.requests.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server
        server.shutdown()
        serving.join(20)


def spans_of(collector: Collector) -> tuple[list[Any], dict[str, str]]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans: list[Any] = []
    resource: dict[str, str] = {}
    for path, body in collector.requests:
        assert path == "/v1/traces"
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource |= {one.key: one.value.string_value for one in each.resource.attributes}
            spans += [span for scope in each.scope_spans for span in scope.spans]
    return spans, resource


def attributes(span: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in span.attributes}


def test_a_run_and_its_steps_arrive(treadle: Treadle, collector: Collector) -> None:
    outcome = treadle(
        "exec", "-", "--tools", "mytools:TOOLS", "--json", stdin=PLAN,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )  # fmt: skip
    assert (outcome.code, outcome.json["answer"]) == (0, 3)
    spans, resource = spans_of(collector)
    assert resource["service.name"] == "treadle"
    (run,) = [span for span in spans if span.name == "invoke_agent treadle"]
    steps = [span for span in spans if span.name == "execute_tool increase"]
    assert len(steps) == 2
    assert {span.parent_span_id for span in steps} == {run.span_id}
    assert {span.trace_id for span in spans} == {run.trace_id}
    assert attributes(run)["gen_ai.operation.name"] == "invoke_agent"
    for span in steps:
        assert attributes(span)["gen_ai.operation.name"] == "execute_tool"
        assert attributes(span)["gen_ai.tool.name"] == "increase"
        assert run.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    assert not any("arguments" in key for span in spans for key in attributes(span))


def test_a_planned_task_has_model_calls(treadle: Treadle, collector: Collector) -> None:
    outcome = treadle(
        "run", "What is 2 + 3?", "--model", "offline", "--json",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )  # fmt: skip
    spans, _ = spans_of(collector)
    (run,) = [span for span in spans if span.name == "invoke_agent treadle"]
    chats = [span for span in spans if span.name.startswith("chat ")]
    assert outcome.json["run_id"] in attributes(run).values()
    assert chats
    assert {span.parent_span_id for span in chats} == {run.span_id}


@pytest.mark.parametrize("silent", [False, True])
def test_an_endpoint_that_does_not_answer_holds_nobody_up(treadle: Treadle, silent: bool) -> None:
    """Refused, or accepted and never answered."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if silent:
            taken.listen(8)
        began = time.monotonic()
        outcome = treadle(
            "exec", "-", "--tools", "mytools:TOOLS", "--json", stdin=PLAN,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{taken.getsockname()[1]}",
        )  # fmt: skip
        assert time.monotonic() - began < 60, "it does not wait for the endpoint"
    assert (outcome.code, outcome.json["answer"]) == (0, 3)
    assert "Traceback" not in outcome.err
    assert outcome.err.count("spans could not be sent") == 1
    assert "HTTPConnection" not in outcome.err

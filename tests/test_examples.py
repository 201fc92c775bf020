"""The examples run, as they stand."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.embed_in_service import app
from fastapi.testclient import TestClient

pytestmark = pytest.mark.timeout(150)  # processes that start take their time on a busy machine

ROOT = Path(__file__).resolve().parent.parent


def output_of(script: str) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / script],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def test_workflow() -> None:
    assert output_of("workflow.py").endswith(
        "README.md has 4 paragraphs; the longest of the others has 3.\n"
    )


def test_agents() -> None:
    assert output_of("agents.py").splitlines() == [
        "facts (reader): The day shift runs nine looms, the night shift four.",
        "text (writer): By day nine looms run, by night four.",
        "By day nine looms run, by night four.",
    ]


def test_code_agent() -> None:
    printed = output_of("code_agent.py")
    assert "passed: 2 of 2 tests" in printed
    assert "2 attempts" in printed


@pytest.fixture
def service() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_service_answers(service: TestClient) -> None:
    reply = service.get("/ask", params={"task": "how many lines has README.md?"})
    assert reply.status_code == 200
    assert "9" in reply.json()["answer"]


def test_service_reports_a_failed_run(service: TestClient) -> None:
    reply = service.get("/ask", params={"task": "how many lines has nothing.md?"})
    assert reply.status_code == 422
    assert reply.json()["error"]["code"] == "file_not_found"


def test_service_streams_events(service: TestClient) -> None:
    task = "compare README.md and CHANGELOG.md by words"
    reply = service.get("/events", params={"task": task})
    kinds = [line.split(": ")[1] for line in reply.text.splitlines() if line.startswith("event:")]
    assert kinds.count("StepStarted") == 3
    assert kinds[-1] == "RunFinished"

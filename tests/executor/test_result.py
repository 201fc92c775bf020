"""The result is a fold over the events, whatever of them there is."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from tests.executor.conftest import execute, plan_of, step

from treadle.core.chat import Usage
from treadle.core.clock import iso_time
from treadle.core.errors import ErrorInfo
from treadle.core.event_log import EventLog
from treadle.core.events import (
    Event,
    ModelCalled,
    PlanReady,
    RunFinished,
    RunStarted,
    RunWaiting,
    StepDropped,
    StepFinished,
    StepPlanned,
    StepRetrying,
    StepStarted,
)
from treadle.core.payload import Payload
from treadle.executor import RunResult, StepResult
from treadle.testing import FakeClock
from treadle.tools import tool


def planned(step_id: str) -> StepPlanned:
    return StepPlanned(step_id=step_id, tool="give", needs=(), step=Payload({}))


def folded(*events: Event) -> RunResult:
    clock = FakeClock(start=1_000.0)
    log = EventLog("run", clock)
    for event in events:
        log.append(event)
        clock.advance(1)
    return RunResult.from_events(log.events)


def test_nothing_gives_an_empty_result() -> None:
    result = RunResult.from_events([])
    assert (result.run_id, result.status, result.steps) == ("", None, ())


def test_every_prefix_of_a_record_gives_a_result() -> None:
    plan = plan_of(step("a", "give"), answer="${a}")
    events: list[Event] = [
        RunStarted(task=Payload("do it")),
        planned("a"),
        PlanReady(plan_hash=plan.hash, version=1, plan=Payload(plan.wire())),
        StepStarted(step_id="a"),
        StepFinished(step_id="a", status="succeeded", output=Payload(5)),
        RunFinished(status="succeeded", answer=Payload("5")),
    ]
    results = [folded(*events[: number + 1]) for number in range(len(events))]
    assert [each.status for each in results] == [None] * 5 + ["succeeded"]
    assert results[-1].answer == "5"
    assert results[-1].plan == plan
    assert [each.steps[0].status for each in results[1:]] == [None] * 3 + ["succeeded"] * 2
    for each in results:
        json.dumps(each.as_json(), allow_nan=False)


def test_the_first_attempt_is_the_start_and_the_last_event_the_end() -> None:
    error = ErrorInfo("flaky", "again", "a")
    result = folded(
        planned("a"),
        StepStarted(step_id="a"),
        StepRetrying(step_id="a", attempt=1, delay=0.5, error=error),
        StepStarted(step_id="a", attempt=2),
        StepFinished(step_id="a", status="succeeded", output=Payload(None)),
    )
    assert result.steps == (StepResult("a", "give", "succeeded", 1_001.0, 1_004.0),)
    assert result.steps[0].as_json() == {
        "id": "a",
        "tool": "give",
        "status": "succeeded",
        "started": "1970-01-01T00:16:41.000000+00:00",
        "finished": "1970-01-01T00:16:44.000000+00:00",
        "output": None,
    }


def test_an_error_stands_in_place_of_an_output() -> None:
    error = ErrorInfo("broken", "it broke", "a")
    document = StepResult("a", "give", "failed", error=error).as_json()
    assert "output" not in document
    assert document["error"] == {"code": "broken", "message": "it broke", "step": "a"}
    assert document["started"] is None


def test_a_dropped_step_is_gone_and_a_replaced_one_starts_anew() -> None:
    result = folded(planned("a"), planned("b"), StepDropped(step_id="a"), planned("b"))
    assert [each.id for each in result.steps] == ["b"]


def test_usage_is_the_sum_of_all_model_calls() -> None:
    def called(purpose: str, tokens: int) -> ModelCalled:
        return ModelCalled(
            model="m",
            purpose=purpose,
            step_id=None,
            usage=Usage(tokens, 1, 0, 1),
            first_delta_seconds=None,
            seconds=0.0,
        )

    result = folded(called("plan", 10), called("step", 20), called("join", 30))
    assert result.usage == Usage(60, 3, 0, 3)
    assert result.as_json()["usage"] == {
        "prompt_tokens": 60,
        "completion_tokens": 3,
        "cached_tokens": 0,
        "total_tokens": 63,
        "model_calls": 3,
        "cost": None,
    }


def test_a_run_that_waits_says_so_until_it_has_finished() -> None:
    assert folded(RunWaiting(step_ids=("a",))).status == "waiting"
    assert (
        folded(RunWaiting(step_ids=("a",)), RunFinished(status="succeeded")).status == "succeeded"
    )


@pytest.mark.parametrize("error", [None, ErrorInfo("broken", "it broke")])
def test_the_document_has_the_fields_that_are_promised(error: ErrorInfo | None) -> None:
    document = folded(RunFinished(status="failed" if error else "succeeded", error=error)).as_json()
    expected = ["run_id", "status", "answer", "plan", "steps", "usage"]
    assert list(document) == (expected if error is None else [*expected, "error"])


async def test_times_are_iso_8601_and_in_order() -> None:
    @tool
    async def give() -> int:
        return 1

    outcome = await execute(plan_of(step("a", "give")), [give])
    document = outcome.steps["a"].as_json()
    started, finished = str(document["started"]), str(document["finished"])
    assert datetime.fromisoformat(started) <= datetime.fromisoformat(finished)
    assert datetime.fromisoformat(started).tzinfo is not None
    assert started.startswith(iso_time(outcome.log.events[0].at)[:10])

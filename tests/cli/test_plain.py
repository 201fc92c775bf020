"""A run as lines on stderr."""

import pytest
from tests.cli.hand_made import Events

from treadle.cli.plain import MOST_LINES, PlainRun
from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    PlanningStarted,
    RepairRequested,
    RunFinished,
    RunResumed,
    RunStarted,
    StepFinished,
    StepRetrying,
    StepStarted,
)

ERROR = ErrorInfo("broken", "it\nbroke \x1b[31m[bold]x[/bold]")


def test_a_line_for_each_start_and_end(capsys: pytest.CaptureFixture[str]) -> None:
    event, plain = Events(), PlainRun()
    for each in (
        event(RunStarted),
        event(PlanningStarted, model="m"),
        event(RepairRequested, attempt=1, errors=(ERROR,)),
        event.planned("a"),
        event(StepStarted, step_id="a"),
        event(StepRetrying, step_id="a", attempt=1, delay=0.5, error=ERROR),
        event(StepFinished, step_id="a", status="failed", error=ERROR),
        event(RunFinished, status="failed", error=ERROR),
    ):
        plain.take(each)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "planning with m",
        "repair 1: broken",
        "> a: increase",
        "~ a: again in 0.5 s: broken: it broke \\x1b[31m[bold]x[/bold]",
        "✗ a: failed (2.0 s): broken: it broke \\x1b[31m[bold]x[/bold]",
    ]


def test_what_earlier_processes_did_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    event, plain = Events(), PlainRun()
    for each in (
        event(RunStarted),
        event.planned("a"),
        event.planned("b"),
        event(StepStarted, step_id="a"),
        event(StepFinished, step_id="a", status="succeeded"),
    ):
        plain.view.take(each)
    plain.take(event(RunResumed))
    plain.take(event(StepStarted, step_id="b"))
    assert capsys.readouterr().err.splitlines() == [
        "resumed: 1 of 2 steps were done before",
        "> b: increase",
    ]


def test_of_many_steps_only_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    event, plain = Events(), PlainRun()
    plain.take(event(RunStarted))
    for number in range(5_000):
        plain.take(event.planned(f"s{number}"))
    for number in range(5_000):
        status = "failed" if number % 5 == 0 else "succeeded"
        plain.take(event(StepFinished, step_id=f"s{number}", status=status))
    plain.take(event(RunFinished, status="failed", error=ERROR))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == MOST_LINES + 1
    assert lines[0] == "✗ s0: failed"
    assert lines[-1].startswith("5,000 steps: 4,000 succeeded, 1,000 failed (")

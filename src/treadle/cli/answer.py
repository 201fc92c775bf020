"""The answer, as it is printed at the end."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from treadle.cli.harmless import harmless
from treadle.cli.output import print_error, print_note, write_stdout
from treadle.core.errors import ErrorInfo
from treadle.core.json_value import JsonValue

if TYPE_CHECKING:
    from treadle.executor.result import RunResult, StepResult


def print_answer(answer: JsonValue) -> None:
    """Text as it is, everything else as indented JSON; made harmless for a terminal."""
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, indent=2)
    if sys.stdout.isatty():
        text = harmless(text)
    write_stdout(text + "\n")


def print_outcome(result: RunResult) -> None:
    """The answer, or why there is none and what is there instead."""
    if result.answer is not None:
        print_answer(result.answer)
    if result.status == "waiting":
        waiting = [step.id for step in result.steps if step.status == "waiting"]
        print_note(f"waiting for approval of {', '.join(waiting[:20])}; --yes approves")
    elif result.status in ("failed", "cancelled"):
        print_error(result.error or ErrorInfo("run_failed", "the run failed"))
        done = sum(step.status == "succeeded" for step in result.steps)
        if result.steps:
            print_note(f"{done} of {len(result.steps)} steps succeeded; --json shows their outputs")
    elif result.answer is None:
        outputs = {step.id: step.output for step in _last_steps(result)}
        if outputs:
            print_answer(next(iter(outputs.values())) if len(outputs) == 1 else outputs)


def _last_steps(result: RunResult) -> list[StepResult]:
    """The steps that nothing else needs: their outputs are what a plan without answer gives."""
    assert result.plan is not None
    needed = {need for step in result.plan.steps for need in step.needs}
    return [step for step in result.steps if step.id not in needed and step.status == "succeeded"]

"""The answer, as it is printed at the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from treadle.cli.harmless import harmless, one_line
from treadle.cli.output import print_error, print_note, stdout_is_terminal, write_stdout
from treadle.core.errors import ErrorInfo
from treadle.core.json_value import JsonValue, as_text

if TYPE_CHECKING:
    from treadle.executor.result import RunResult, StepResult

MOST_NAMED = 20
MOST_OUTPUTS = 10
LONGEST_OUTPUT = 100


def print_answer(answer: JsonValue) -> None:
    """Text as it is, everything else as indented JSON; made harmless for a terminal."""
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, indent=2)
    if stdout_is_terminal():
        text = harmless(text)
    write_stdout(text if text.endswith("\n") else text + "\n")


def print_outcome(result: RunResult) -> None:
    """The answer, or why there is none and what is there instead."""
    if result.answer is not None:
        print_answer(result.answer)
    match result.status:
        case "waiting":
            _print_waiting(result)
        case "paused":
            print_note(f"paused; treadle resume {result.run_id} goes on")
        case "cancelled":
            _print_error(result)
            _print_partial(result)
        case "failed":
            _print_error(result)
        case _ if result.answer is None:
            outputs = {step.id: step.output for step in _last_steps(result)}
            if outputs:
                print_answer(next(iter(outputs.values())) if len(outputs) == 1 else outputs)


def _print_waiting(result: RunResult) -> None:
    from treadle.executor.doubt_names import names_in_doubt
    from treadle.executor.history import History

    in_doubt = [step.id for step in result.steps if step.error and step.error.code == "in_doubt"]
    if in_doubt:
        past = History(result.events).steps
        doubted = [
            name for each in in_doubt for name in names_in_doubt(each, past[each].open_calls)
        ]
        print_note(
            f"{', '.join(doubted[:MOST_NAMED])}: cut short, and nobody knows whether it took "
            f"effect; look, then: treadle resume {result.run_id} --done STEP (it did) or "
            f"--redo STEP"
        )
        return
    waiting = [step.id for step in result.steps if step.status == "waiting"]
    more = f" and {len(waiting) - MOST_NAMED:,} more" if len(waiting) > MOST_NAMED else ""
    names = ", ".join(waiting[:MOST_NAMED])
    print_note(f"waiting for a person to approve {names}{more}; --yes approves")
    print_note(f"treadle approve {result.run_id} STEP, then treadle resume {result.run_id}")


def _print_error(result: RunResult) -> None:
    print_error(result.error or ErrorInfo("run_failed", "the run failed"), lines=2)
    failed = [step for step in result.steps if step.status == "failed"]
    done = sum(step.status == "succeeded" for step in result.steps)
    if result.steps:
        where = f"step '{failed[0].id}' failed; " if failed else ""
        print_note(f"{where}{done:,} of {len(result.steps):,} steps succeeded")


def _print_partial(result: RunResult) -> None:
    """What was done before the run was stopped, in short."""
    done = [step for step in result.steps if step.status == "succeeded"]
    for step in done[:MOST_OUTPUTS]:
        print_note(f"  {step.id}: {one_line(as_text(step.output), LONGEST_OUTPUT)}")
    if len(done) > MOST_OUTPUTS:
        print_note(f"  and {len(done) - MOST_OUTPUTS:,} more; --json has them all")


def _last_steps(result: RunResult) -> list[StepResult]:
    """The steps that nothing else needs: their outputs are what a plan without answer gives."""
    assert result.plan is not None
    needed = {need for step in result.plan.steps for need in step.needs}
    return [step for step in result.steps if step.id not in needed and step.status == "succeeded"]

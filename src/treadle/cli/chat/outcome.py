"""What a turn came to, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from treadle.cli.chat.screen import Screen
from treadle.cli.harmless import one_line
from treadle.core.errors import ErrorInfo
from treadle.core.json_value import as_text

if TYPE_CHECKING:
    from treadle.executor.result import RunResult

MOST_OUTPUTS = 10
LONGEST_OUTPUT = 100


def show_outcome(result: RunResult, screen: Screen, streamed: str = "") -> None:
    """The answer, unless `streamed` is it already; or why there is none."""
    if result.status == "succeeded":
        answer = result.answer
        if not isinstance(answer, str):
            screen.say(json.dumps(answer, ensure_ascii=False, indent=2))
        elif not streamed:
            screen.say(answer)
    elif result.status == "cancelled":
        _show_partial(result, screen)
    else:
        screen.error(result.error or ErrorInfo("run_failed", "the run failed"))


def _show_partial(result: RunResult, screen: Screen) -> None:
    done = [step for step in result.steps if step.status == "succeeded"]
    if not result.steps:
        screen.note("stopped before anything ran")
        return
    colon = ":" if done else ""
    screen.note(f"stopped; {len(done)} of {len(result.steps)} steps were done{colon}")
    for step in done[:MOST_OUTPUTS]:
        screen.say(f"  {step.id}: {one_line(as_text(step.output), LONGEST_OUTPUT)}")
    if len(done) > MOST_OUTPUTS:
        screen.note(f"  and {len(done) - MOST_OUTPUTS} more")

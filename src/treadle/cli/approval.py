"""Asking the person at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable

from treadle.cli.harmless import one_line
from treadle.cli.output import print_note
from treadle.core.json_value import compact_json
from treadle.core.threads import run_in_thread
from treadle.executor.approval import ApprovalRequest, Approve

MOST_SHOWN = 50


def ask_at_terminal(
    before: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None
) -> Approve:
    """An approver that lists every call and waits for y or n; anything but y means no.

    before, after: called around the question, to leave the screen to it.
    """

    async def approve(request: ApprovalRequest) -> bool:
        before()
        try:
            count = len(request.calls)
            which = "This call changes" if count == 1 else f"These {count} calls change"
            print_note(f"{which} things:")
            for call in request.calls[:MOST_SHOWN]:
                arguments = one_line(compact_json(call.arguments), 160)
                each = " for each item" if call.for_each else ""
                print_note(f"  {call.step_id}: {call.tool} ({call.effect.value}){each} {arguments}")
            if count > MOST_SHOWN:
                print_note(f"  and {count - MOST_SHOWN} more")
            # A thread, so that Ctrl-C and deadlines still work; an abandoned one does no harm.
            return await run_in_thread(_ask)
        finally:
            after()

    return approve


def _ask() -> bool:
    sys.stderr.write("Run them? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")

"""Asking the person at the terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from treadle.cli.chat.describe import calls_text
from treadle.cli.interrupts import forget_typed
from treadle.cli.output import print_note
from treadle.core.threads import run_in_thread
from treadle.executor.approval import ApprovalRequest, Approve


def ask_at_terminal(
    before: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None
) -> Approve:
    """An approver that lists every call and waits for y or n; anything but y means no.

    before, after: called around the question, to leave the screen to it.
    """

    async def approve(request: ApprovalRequest) -> bool:
        before()
        try:
            many = "These calls change" if len(request.calls) > 1 else "This call changes"
            print_note(f"{many} things:\n{calls_text(request.calls)}")
            # What was typed before the question appeared does not answer it.
            forget_typed()
            # A thread, so that Ctrl-C and deadlines still work; an abandoned one does no harm.
            return await run_in_thread(_ask)
        except asyncio.CancelledError:
            print_note("")
            raise
        finally:
            after()

    return approve


def _ask() -> bool:
    sys.stderr.write("Run them? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")

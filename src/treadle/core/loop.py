"""Running a program to its end, in bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

GRACE = 2.0
"""Seconds that tasks which are still there at the end have to go."""


def run_bounded(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run `main` in a fresh event loop and return what it returns.

    Unlike `asyncio.run`, it does not wait for ever for tasks that ignore their cancellation (a
    tool may): after the grace period they are left behind.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        try:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                _, stubborn = loop.run_until_complete(asyncio.wait(left, timeout=GRACE))
                for task in stubborn:
                    # Nobody waits for it any more: no warning when it is collected.
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

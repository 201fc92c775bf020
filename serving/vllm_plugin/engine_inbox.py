# pyright: reportMissingImports=false
"""The inbox of the engine that a scheduler is made by, where there is one."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable

from vllm.v1.engine import EngineCoreRequestType

_DEPTH = 8
"""Frames to look at: the engine's constructor calls the scheduler's."""


def find_wake() -> Callable[[], None] | None:
    """What wakes the engine whose constructor is running; None where there is no such engine.

    vLLM hands a scheduler no way to reach its engine, so this looks for an `input_queue` on the
    object whose constructor calls ours. An engine in the caller's own process has none: it takes a
    step only when it is asked to, and never sleeps by itself.
    """
    frame = sys._getframe(1)
    for _ in range(_DEPTH):
        owner = frame.f_locals.get("self")
        inbox = getattr(owner, "input_queue", None)
        if isinstance(inbox, queue.Queue):
            return lambda: inbox.put_nowait((EngineCoreRequestType.WAKEUP, None))
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None

"""Wakes an engine that sleeps for lack of requests when a hold runs out.

vLLM's engine loop blocks on its inbox while there is nothing to do, so nothing of the scheduler
runs then. A message of the kind that vLLM itself uses to wake the loop (`WAKEUP`: "look again
whether there is work") makes it ask the scheduler `has_requests`, and that lets go of what has run
out. This thread posts that message and touches nothing else.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

_log = logging.getLogger("treadle.serving.engine")

_LONGEST_WAIT = 3600.0


class IdleWaker:
    """Calls `wake` whenever the time that was set last has come.

    wake: posts the message; called in the waker's own thread. clock: as the times are.
    """

    def __init__(self, wake: Callable[[], None], clock: Callable[[], float]) -> None:
        self._wake = wake
        self._clock = clock
        self._changed = threading.Condition()
        self._at = math.inf
        self._closed = False
        self._thread: threading.Thread | None = None

    def set(self, at: float) -> None:
        """Wake at `at`, infinity for not at all; replaces what was set before. Cheap."""
        if at == self._at:
            return
        with self._changed:
            earlier = at < self._at
            self._at = at
            if self._closed:
                return
            if self._thread is None and at < math.inf:
                self._thread = threading.Thread(
                    target=self._run, name="treadle-idle-waker", daemon=True
                )
                self._thread.start()
            elif earlier:
                self._changed.notify()

    def close(self) -> None:
        """Stop, and wait for the thread (it does nothing that takes time)."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                left = self._at - self._clock()
                if left > 0:
                    self._changed.wait(min(left, _LONGEST_WAIT))
                    continue
                self._at = math.inf
            self._wake()

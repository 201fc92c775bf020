"""Giving up, from another thread or task, what somebody waits for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from treadle.core.errors import ToolError


class Cancellation:
    """Cancels, once and for good, whatever is waited for under it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[Future[Any]] = set()
        self._cancelled = False

    def cancel(self) -> None:
        """End every wait under this, and all that would follow."""
        with self._lock:
            self._cancelled = True
            waiting = list(self._waiting)
        for future in waiting:
            future.cancel()

    def check(self) -> None:
        """Raise ToolError (`language_server_cancelled`) once cancelled."""
        if self._cancelled:
            raise ToolError("language_server_cancelled", "the call was cancelled")

    @contextmanager
    def cancels(self, future: Future[Any]) -> Iterator[None]:
        """While inside, `cancel` cancels `future`."""
        with self._lock:
            if self._cancelled:
                future.cancel()
            self._waiting.add(future)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.discard(future)

"""A thread that deletes, now and then, the items whose time is over."""

from __future__ import annotations

import logging
import threading
import weakref
from concurrent.futures import Future
from typing import Protocol

from treadle.core.errors import TreadleError

_log = logging.getLogger("treadle.memory.langgraph")


class Sweepable(Protocol):
    """What has items with an end."""

    def sweep_ttl(self) -> int:
        """Delete the items whose time is over; return how many these were."""
        ...


class Sweeper:
    """Sweeps every `seconds` until `stop`, or until nobody has the store any more.

    future: is done when the sweeping has ended; cancelling it ends it.
    """

    def __init__(self, store: Sweepable, seconds: float) -> None:
        self.future: Future[None] = Future()
        self._store = weakref.ref(store)
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="treadle-sweeper", daemon=True)
        self.future.add_done_callback(lambda _: self._stop.set())
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it still sweeps."""
        return self._thread.is_alive() and not self._stop.is_set()

    def stop(self, timeout: float | None = None) -> bool:
        """End it; whether it has ended within `timeout` seconds."""
        self._stop.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            store = self._store()
            if store is None:
                break
            try:
                store.sweep_ttl()
            except TreadleError as error:
                # The next time it may work: another process may have been writing.
                _log.warning("items whose time is over could not be deleted: %s", error)
            del store
        if not self.future.done():
            self.future.set_result(None)

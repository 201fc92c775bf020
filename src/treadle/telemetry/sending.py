"""The last spans of a process are sent when it ends, and it ends all the same."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable

SECONDS = 3.0
"""How long the end of the process may take because of spans."""

_log = logging.getLogger("treadle.telemetry")


class _Complaints(logging.Handler):
    """Takes what OpenTelemetry has to say of exports that fail; without it that goes to stderr.

    Whoever has set up logging sees it nevertheless.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.any = False

    def emit(self, record: logging.LogRecord) -> None:
        self.any = True


def close_at_exit(shutdown: Callable[[], None], *, seconds: float = SECONDS) -> None:
    """Call `shutdown`, which sends what is left, at the end of the process; wait for `seconds`."""
    complaints = _Complaints()
    logging.getLogger("opentelemetry").addHandler(complaints)

    def close() -> None:
        # A daemon: nothing waits for it any more when the time is up.
        sending = threading.Thread(target=shutdown, name="treadle-spans", daemon=True)
        sending.start()
        sending.join(seconds)
        if sending.is_alive() or complaints.any:
            _log.warning("warning: spans could not be sent; see OTEL_EXPORTER_OTLP_ENDPOINT")

    atexit.register(close)

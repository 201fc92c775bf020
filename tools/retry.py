"""How often and when a failed call is made again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and when a failed step is tried again.

    attempts: calls in all, the first included.
    delay: seconds before the second attempt; doubled for each further one, up to `max_delay`.
    Effects that are not repeatable are never tried again, whatever this says.
    """

    attempts: int = 1
    delay: float = 0.5
    max_delay: float = 30.0

    def wait_before(self, attempt: int) -> float:
        """Seconds to wait before `attempt` (2 is the first retry)."""
        return float(min(self.delay * 2.0 ** min(attempt - 2, 60), self.max_delay))


ONCE = Retry()
"""What a step has that says nothing; its tool decides then."""

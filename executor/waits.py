"""How a call says that its step has to wait for a person."""

from __future__ import annotations

from treadle.core.errors import TreadleError


class StepWaits(TreadleError):
    """The step cannot end now, and has not failed: `resume` makes the same call again.

    Raised by what a step calls where that waits by itself, as a nested run does.
    """

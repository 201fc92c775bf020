"""Continuum's public preview: a pin of fixed length at every tool call."""

from __future__ import annotations

from treadle.serving.policy.contract import Call, Outcome, Pool
from treadle.serving.simulator.baselines.pinned_programs import PinnedPrograms


class ContinuumPreviewPolicy(PinnedPrograms):
    """Pins for two seconds after every call that is not the program's last; pinned calls first,
    then programs in the order in which they came.

    After the preview that goes with Continuum (arXiv 2511.02230), a fork of vLLM. Ours may differ
    in when pins are let go before their time: here only when no call runs and none can start, or
    in place of a preemption.
    """

    name = "continuum-preview"

    def __init__(self, seconds: float = 2.0) -> None:
        super().__init__()
        self._seconds = seconds

    def pin_seconds(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        return self._seconds

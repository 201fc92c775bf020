"""A policy that holds everything for a fixed time, and remembers what it was told."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.serving.policy import Call, Hold, Outcome, Pool, StockPolicy

TIMED_HOLDING = "tests.engine.timed_holding:HoldingPolicy"
"""The policy by its place, as the plugin's settings name one."""


class HoldingPolicy(StockPolicy):
    """Holds what belongs to a program for a fixed time; ranks and admits by arrival.

    release: "none" lets nothing go, "all" everything, "one" the first.
    """

    def __init__(self, seconds: float = 60.0, release: str = "none") -> None:
        self.seconds = seconds
        self.how = release
        self.told: list[tuple[str, str]] = []
        self.asked_to_release: list[bool] = []
        self.started_with: dict[str, int] = {}
        self.steps: list[tuple[int, int, int, float]] = []
        self.outcomes: dict[str, Outcome] = {}

    def arrived(self, call: Call, now: float) -> None:
        self.told.append(("arrived", call.call_id))

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        self.told.append(("started", call.call_id))
        self.started_with[call.call_id] = cached_tokens

    def preempted(self, call: Call, now: float) -> None:
        self.told.append(("preempted", call.call_id))

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        self.told.append(("finished", call.call_id))
        self.outcomes[call.call_id] = outcome
        return now + self.seconds

    def aborted(self, call: Call, now: float) -> None:
        self.told.append(("aborted", call.call_id))

    def ended(self, program_id: str, now: float) -> None:
        self.told.append(("ended", program_id))

    def stepped(
        self, prefill_tokens: int, decode_tokens: int, context_tokens: int, seconds: float
    ) -> None:
        self.steps.append((prefill_tokens, decode_tokens, context_tokens, seconds))

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        self.asked_to_release.append(must)
        if self.how == "none":
            return ()
        return holds if self.how == "all" else holds[:1]

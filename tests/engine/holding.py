"""A policy that is easy to foresee: it holds everything."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.serving.policy.contract import Call, Hold, Outcome, Pool, Rank
from treadle.serving.policy.stock import StockPolicy

HOLDING = "tests.engine.holding:HoldingPolicy"
"""The policy by its place, as the plugin's settings name one."""


class HoldingPolicy(StockPolicy):
    """Holds everything for `seconds`, for as many programs as fit, the first that came.

    What it was told is there to be looked at: `calls`, `outcomes`, `endings`.
    """

    name = "holding"
    seconds = 60.0
    share = 0.85
    """Of the pool, that the contexts of the programs that fit may have together."""

    def __init__(self) -> None:
        self._contexts: dict[str, int] = {}
        self.calls: list[Call] = []
        self.outcomes: list[tuple[Call, Outcome]] = []
        self.endings: list[str] = []

    def arrived(self, call: Call, now: float) -> None:
        context = self._contexts.get(call.program_id, 0)
        self._contexts[call.program_id] = max(context, call.prompt_tokens)
        self.calls.append(call)

    def rank(self, call: Call, now: float) -> Rank:
        return (float(self._place(call.program_id)), call.arrived)

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        before = list(self._contexts.values())[: self._place(call.program_id)]
        return not before or sum(before) + call.prompt_tokens <= self.share * pool.capacity

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        place = self._place(call.program_id)
        younger = [hold for hold in holds if self._place(hold.program_id) > place]
        return sorted(younger, key=lambda hold: -self._place(hold.program_id))

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        self._contexts[call.program_id] = outcome.context_tokens
        self.outcomes.append((call, outcome))
        return now if outcome.last else now + self.seconds

    def ended(self, program_id: str, now: float) -> None:
        self.endings.append(program_id)
        self._contexts.pop(program_id, None)

    def _place(self, program_id: str) -> int:
        """How many programs came before it."""
        known = list(self._contexts)
        return known.index(program_id) if program_id in known else len(known)

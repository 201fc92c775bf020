"""What an engine does by itself: first come, first served; nothing is held."""

from __future__ import annotations

import math
from collections.abc import Sequence

from treadle.serving.policy.contract import Call, Hold, Outcome, Pool, Rank


class StockPolicy:
    """The order of arrival, everything admitted, nothing held: vLLM's default.

    Also the base for policies that decide only some of it.
    """

    name = "vllm"

    def arrived(self, call: Call, now: float) -> None:
        pass

    def rank(self, call: Call, now: float) -> Rank:
        return (call.arrived,)

    def admits(self, call: Call, pool: Pool, now: float) -> bool:
        return True

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        return ()

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        pass

    def preempted(self, call: Call, now: float) -> None:
        pass

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        return now

    def aborted(self, call: Call, now: float) -> None:
        pass

    def lost(self, program_id: str, branch: str, now: float) -> None:
        pass

    def ended(self, program_id: str, now: float) -> None:
        pass

    def prefetch(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        return math.inf

    def prefetched(self, program_id: str, branch: str, pool: Pool, now: float) -> float:
        return now

    def stepped(
        self, prefill_tokens: int, decode_tokens: int, context_tokens: int, seconds: float
    ) -> None:
        pass

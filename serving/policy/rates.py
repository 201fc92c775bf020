"""What an engine was measured to do, as far as decisions need it."""

from __future__ import annotations

import math

_FEWEST_TOKENS = 512
"""Steps that prefill less say little about how fast prefill is."""

_WEIGHT = 0.05


class MeasuredRates:
    """Prefill rate, seconds per turn and calls per program, learned as they come.

    prefill_rate: tokens a second, before the first measurement as of an 8B model on an H100.
    tier_share: of what programs lost that is found again, in a slower tier.
    turn_seconds: from the arrival of a call to the arrival of the next one of its branch.
    calls: of a program, as a geometric mean; before any has ended, as published for coding agents
        (a median of 45 turns: AgentCgroup, arXiv 2602.09345).
    """

    def __init__(self) -> None:
        self.prefill_rate = 25_000.0
        self.turn_seconds = 10.0
        self.tier_share = 1.0
        self._log_calls = math.log(45.0)
        self._seen_programs = 0

    @property
    def calls(self) -> float:
        return math.exp(self._log_calls)

    def stepped(self, prefill_tokens: int, seconds: float) -> None:
        """A step that prefilled `prefill_tokens` took `seconds`."""
        if prefill_tokens >= _FEWEST_TOKENS and seconds > 0:
            self.prefill_rate += _WEIGHT * (prefill_tokens / seconds - self.prefill_rate)

    def found_again(self, share: float) -> None:
        """Of the KV of a branch that was not held, `share` was there when it came back."""
        self.tier_share += _WEIGHT * (min(1.0, share) - self.tier_share)

    def recovery_rate(self, reload_rate: float | None) -> float:
        """Tokens a second that come back after they were let go: reloaded, or computed anew.

        reload_rate: of the slower tier; None without one. What has overflowed it is computed.
        """
        if reload_rate is None:
            return max(1.0, self.prefill_rate)
        share = self.tier_share
        return 1.0 / (share / max(1.0, reload_rate) + (1.0 - share) / max(1.0, self.prefill_rate))

    def turned(self, seconds: float) -> None:
        """A branch came back `seconds` after its last call had arrived."""
        self.turn_seconds += _WEIGHT * (seconds - self.turn_seconds)

    def program_ended(self, calls: int) -> None:
        """A program ended after `calls`."""
        if calls > 0:
            # The prior counts as much as five programs.
            self._seen_programs = min(self._seen_programs + 1, 200)
            weight = 1 / (self._seen_programs + 5)
            self._log_calls += weight * (math.log(calls) - self._log_calls)

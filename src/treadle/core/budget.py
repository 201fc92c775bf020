"""Budgets: limits over the whole tree of a run, checked before each call."""

from __future__ import annotations

from dataclasses import dataclass

from treadle.core.clock import Clock
from treadle.core.errors import BudgetExceeded, ConfigError


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may use, nested runs included; None means no limit.

    steps: step executions (each fan-out item and each retry counts as one).
    seconds: wall time; when it is over, nothing new starts.
    tokens: prompt and completion tokens together.

    Raises ConfigError (`bad_budget`) for a limit that is negative or not a number.
    """

    steps: int | None = None
    seconds: float | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for resource, limit in (
            ("steps", self.steps),
            ("seconds", self.seconds),
            ("tokens", self.tokens),
        ):
            if limit is not None and not limit >= 0:
                raise ConfigError("bad_budget", f"a budget of {limit} {resource} makes no sense")


class BudgetMeter:
    """Counts what a run used and refuses the next call when a limit is reached.

    outer: the meter of the run that this one is part of; everything counts there too.
    """

    __slots__ = ("_budget", "_clock", "_outer", "_started", "steps", "tokens")

    def __init__(self, budget: Budget, clock: Clock, outer: BudgetMeter | None = None) -> None:
        self._budget = budget
        self._outer = outer
        self._clock = clock
        self._started = clock.monotonic()
        self.steps = 0
        self.tokens = 0

    def within(self, outer: BudgetMeter) -> BudgetMeter:
        """The same limits, for a run inside the run of `outer`."""
        return BudgetMeter(self._budget, self._clock, outer)

    def restore(self, steps: int, tokens: int, seconds: float) -> None:
        """Count what an earlier process has used of the same run."""
        self.steps += steps
        self.tokens += tokens
        self._started -= seconds

    @property
    def remaining_tokens(self) -> int | None:
        """Tokens left here and in the outer runs, at least 0; None without a limit."""
        limit = self._budget.tokens
        here = None if limit is None else max(0, limit - self.tokens)
        outer = None if self._outer is None else self._outer.remaining_tokens
        left = [each for each in (here, outer) if each is not None]
        return min(left, default=None)

    def reserve_step(self) -> None:
        """Count one step execution. Raises BudgetExceeded instead when none is left."""
        self._refuse_late()
        limit = self._budget.steps
        if limit is not None and self.steps >= limit:
            raise BudgetExceeded("steps", limit, self.steps)
        if self._outer is not None:
            self._outer.reserve_step()
        self.steps += 1

    def reserve_model_call(self) -> None:
        """Raises BudgetExceeded when no tokens or no time are left for another call."""
        self._refuse_late()
        limit = self._budget.tokens
        if limit is not None and self.tokens >= limit:
            raise BudgetExceeded("tokens", limit, self.tokens)
        if self._outer is not None:
            self._outer.reserve_model_call()

    def settle_tokens(self, tokens: int) -> None:
        """Book the tokens that a call used."""
        self.tokens += tokens
        if self._outer is not None:
            self._outer.settle_tokens(tokens)

    def _refuse_late(self) -> None:
        limit = self._budget.seconds
        if limit is not None:
            elapsed = self._clock.monotonic() - self._started
            if elapsed >= limit:
                raise BudgetExceeded("seconds", limit, elapsed)

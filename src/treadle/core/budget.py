"""Budgets: limits over the whole tree of a run, reserved before each call and settled after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from threading import Lock

from treadle.core.chat import Usage
from treadle.core.clock import Clock
from treadle.core.errors import BudgetExceeded, ConfigError
from treadle.core.prices import NO_PRICES, Price, PriceList, rounded

LEAST_REPLY = 16
"""Completion tokens without which a call is not worth its prompt."""

SMALL_REPLY = 1024
"""Completion tokens that a call gets before others are thought of."""

MOST_REPLY = 16_384
"""Completion tokens that a call gets at most where its caller does not say how many."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may use, nested runs included; None means no limit.

    steps: step executions (each fan-out item and each retry counts as one).
    seconds: wall time; when it is over, nothing new starts.
    tokens: prompt and completion tokens together.
    cost: money, in the currency of the prices that the Runtime was given. Models without a price
        are refused then.

    Raises ConfigError (`bad_budget`) for a limit that is negative or not a number.
    """

    steps: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        for resource, limit in self.limits().items():
            if not limit >= 0:
                raise ConfigError("bad_budget", f"a budget of {limit} {resource} makes no sense")

    def limits(self) -> dict[str, float]:
        """The limits that there are, by resource."""
        limits = {
            "steps": self.steps, "seconds": self.seconds, "tokens": self.tokens, "cost": self.cost
        }  # fmt: skip
        return {name: limit for name, limit in limits.items() if limit is not None}


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a model call has been promised until it is settled.

    max_tokens: what its reply may have; None without any limit.
    """

    max_tokens: int | None = None
    tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class _Room:
    """What one limit leaves for a reply, in tokens, and the refusal if that is too little."""

    tokens: float
    refusal: BudgetExceeded


class BudgetMeter:
    """Counts what a run used and refuses the next call when a limit would be passed.

    A meter, those of the runs around it and those of the runs within share one lock: whatever
    threads and event loops they are used from, what is granted never exceeds any limit.

    outer: the meter of the run that this one is part of; everything counts there too.
    prices: of models; those that are missing are looked up in `outer`.
    """

    __slots__ = (
        "_budget",
        "_clock",
        "_lock",
        "_outer",
        "_prices",
        "_reserved_cost",
        "_reserved_tokens",
        "_started",
        "cost",
        "steps",
        "tokens",
    )

    def __init__(
        self,
        budget: Budget,
        clock: Clock,
        outer: BudgetMeter | None = None,
        prices: PriceList = NO_PRICES,
    ) -> None:
        self._budget = budget
        self._outer = outer
        self._clock = clock
        self._prices = prices
        self._started = clock.monotonic()
        self._lock: Lock = Lock() if outer is None else outer._lock
        self._reserved_tokens = 0
        self._reserved_cost = 0.0
        self.steps = 0
        self.tokens = 0
        self.cost: float | None = 0.0
        """What it cost so far; None where a part of that is not known."""

    def within(self, outer: BudgetMeter) -> BudgetMeter:
        """The same limits, for a run inside the run of `outer`."""
        return BudgetMeter(self._budget, self._clock, outer, self._prices)

    def restore(self, steps: int, tokens: int, seconds: float, cost: float | None = 0.0) -> None:
        """Count what an earlier process has used of the same run."""
        with self._lock:
            self._count(steps, tokens, cost)
            self._started -= seconds

    def book(self, steps: int, tokens: int, cost: float | None = 0.0) -> None:
        """Count what was used before and was not counted yet, here and in the outer runs."""
        with self._lock:
            for meter in self._chain():
                meter._count(steps, tokens, cost)

    @property
    def remaining_tokens(self) -> int | None:
        """Tokens that are neither used nor reserved, here and in the outer runs; at least 0.

        None without a limit.
        """
        left = [
            max(0, meter._budget.tokens - meter.tokens - meter._reserved_tokens)
            for meter in self._chain()
            if meter._budget.tokens is not None
        ]
        return min(left, default=None)

    @property
    def remaining_seconds(self) -> float | None:
        """Time until the first limit, here and in the outer runs; at least 0, None without one."""
        if self._budget.seconds is None and self._outer is None:
            return None
        left = [
            max(0.0, meter._started + meter._budget.seconds - meter._clock.monotonic())
            for meter in self._chain()
            if meter._budget.seconds is not None
        ]
        return min(left, default=None)

    def reserve_step(self, cost: float | None = None) -> None:
        """Count one step execution. Raises BudgetExceeded instead when none is left.

        cost: of the call that it makes, in money, beside that of models; counted at once.
        """
        chain = self._chain()
        for meter in chain:
            meter._refuse_late()
        with self._lock:
            for meter in chain:
                limit = meter._budget.steps
                if limit is not None and meter.steps >= limit:
                    raise BudgetExceeded("steps", limit, meter.steps)
                if cost:
                    meter._refuse_dear(cost)
            for meter in chain:
                meter.steps += 1
                if cost:
                    meter._count(0, 0, cost)

    def reserve_cost(self, cost: float | None) -> None:
        """Count what a call costs whose step is counted already. Raises BudgetExceeded instead."""
        if not cost:
            return
        with self._lock:
            chain = self._chain()
            for meter in chain:
                meter._refuse_dear(cost)
            for meter in chain:
                meter._count(0, 0, cost)

    def reserve_model_call(
        self, model: str, prompt: Callable[[], int], max_tokens: int | None = None
    ) -> Reservation:
        """Reserve what a call of `model` may use; `settle` it when the call is over.

        The estimated prompt is reserved, and a share of what is left for the reply. Where the
        caller says how long that may be, it is as much of `max_tokens` as there is. Otherwise it
        is half of what is left, so that calls at the same time find something too; but at least
        SMALL_REPLY if there is so much (a small budget is for one call after the other), and at
        most MOST_REPLY. A call is refused only where not even LEAST_REPLY tokens (or
        `max_tokens`, where that is less) are left after the prompt. Nothing ever waits for
        what others give back.

        prompt: estimates the prompt's tokens; asked only where a limit depends on it.
        max_tokens: of the reply, as its caller wants it.

        Raises BudgetExceeded when the reservation, or the time left, is not enough, and
        ConfigError (`no_price`) where money is limited and it is not known what the model costs.
        """
        chain = self._chain()
        for meter in chain:
            meter._refuse_late()
        by_cost = any(meter._budget.cost is not None for meter in chain)
        if not by_cost and all(meter._budget.tokens is None for meter in chain):
            return Reservation(max_tokens)
        price = self._price_for_limit(model) if by_cost else None
        tokens = prompt()
        least = LEAST_REPLY if max_tokens is None else min(LEAST_REPLY, max_tokens)
        with self._lock:
            rooms = [room for meter in chain for room in meter._rooms(price, tokens, least)]
            tightest = min(rooms, key=lambda room: room.tokens)
            if tightest.tokens < least:
                raise tightest.refusal
            share = _share(tightest.tokens, max_tokens)
            cost = 0.0 if price is None else price.at_most(tokens, share)
            for meter in chain:
                meter._reserved_tokens += tokens + share
                meter._reserved_cost = rounded(meter._reserved_cost + cost)
        return Reservation(share, tokens + share, cost)

    def settle(self, reservation: Reservation, usage: Usage) -> None:
        """Book what a call has used and give the rest of its reservation back."""
        with self._lock:
            for meter in self._chain():
                meter._reserved_tokens -= reservation.tokens
                meter._reserved_cost = rounded(meter._reserved_cost - reservation.cost)
                meter._count(0, usage.total_tokens, usage.known_cost)

    def price(self, model: str) -> Price | None:
        """What `model` costs; None where nobody has said it."""
        found = (meter._prices.find(model) for meter in self._chain())
        return next((each for each in found if each is not None), None)

    def _chain(self) -> list[BudgetMeter]:
        """This meter and those of the runs around it."""
        chain: list[BudgetMeter] = [self]
        while (outer := chain[-1]._outer) is not None:
            chain.append(outer)
        return chain

    def _count(self, steps: int, tokens: int, cost: float | None) -> None:
        self.steps += steps
        self.tokens += tokens
        if self.cost is not None:
            self.cost = None if cost is None else rounded(self.cost + cost)

    def _price_for_limit(self, model: str) -> Price:
        price = self.price(model)
        if price is None:
            raise ConfigError(
                "no_price",
                f"the budget limits the cost, and {model} has no price: give it one "
                f'(Runtime(prices=...), or [prices."{model}"] in the config file), or leave the '
                f"cost unlimited",
            )
        return price

    def _rooms(self, price: Price | None, prompt: int, least: int) -> list[_Room]:
        rooms: list[_Room] = []
        limit = self._budget.tokens
        if limit is not None:
            used = self.tokens + self._reserved_tokens
            refusal = BudgetExceeded("tokens", limit, used, prompt + least)
            rooms.append(_Room(limit - used - prompt, refusal))
        if self._budget.cost is not None:
            assert price is not None
            rooms.append(self._room_for_money(self._budget.cost, price, prompt, least))
        return rooms

    def _room_for_money(self, limit: float, price: Price, prompt: int, least: int) -> _Room:
        if self.cost is None:
            raise ConfigError(
                "no_price",
                "the budget limits the cost, and it is not known what the run has cost so far "
                "(models without a price were used): resume it without that limit",
            )
        used = rounded(self.cost + self._reserved_cost)
        refusal = BudgetExceeded("cost", limit, used, price.at_most(prompt, least))
        return _Room(price.affordable(limit - used, prompt), refusal)

    def _refuse_dear(self, cost: float) -> None:
        limit = self._budget.cost
        if limit is not None and self.cost is not None:
            used = rounded(self.cost + self._reserved_cost)
            if rounded(used + cost) > limit:
                raise BudgetExceeded("cost", limit, used, cost)

    def _refuse_late(self) -> None:
        limit = self._budget.seconds
        if limit is not None:
            elapsed = self._clock.monotonic() - self._started
            if elapsed >= limit:
                raise BudgetExceeded("seconds", limit, elapsed)


def _share(room: float, max_tokens: int | None) -> int:
    """Completion tokens for a call, where `room` are left; see `reserve_model_call`."""
    if max_tokens is not None:
        return int(min(max_tokens, room))
    if room == inf:
        return MOST_REPLY
    return int(min(MOST_REPLY, room, max(SMALL_REPLY, room // 2)))

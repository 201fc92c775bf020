"""What a tool declares about its calls: how many, after which failures, twice, or not again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from treadle.core.errors import ConfigError
from treadle.core.json_value import JsonValue
from treadle.tools.effect import Effect


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `calls` calls start within any `seconds` seconds; the others wait for their turn.

    per: what is counted apart, as a text made from the arguments: per host, per account. Without
        it all calls of the tool are counted together.

    Raises ConfigError (`bad_tool`).
    """

    calls: int
    seconds: float
    per: Callable[[Mapping[str, JsonValue]], str] | None = None

    def __post_init__(self) -> None:
        if not _whole(self.calls) or not _positive(self.seconds):
            raise ConfigError(
                "bad_tool",
                f"a rate limit of {self.calls!r} calls in {self.seconds!r} s; give a whole number "
                f"of at least 1 and a number of seconds above 0",
            )
        if self.per is not None and not callable(self.per):
            raise ConfigError("bad_tool", "a rate limit's `per` is a function of the arguments")


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """After `failures` failures in a row, no call for `seconds` seconds; then one, as a probe.

    What counts is a failure that may pass (`retryable`), not a refusal of the arguments.

    Raises ConfigError (`bad_tool`).
    """

    failures: int = 5
    seconds: float = 30.0

    def __post_init__(self) -> None:
        if not _whole(self.failures) or not _positive(self.seconds):
            raise ConfigError(
                "bad_tool",
                f"a circuit breaker for {self.failures!r} failures and {self.seconds!r} s; give a "
                f"whole number of at least 1 and a number of seconds above 0",
            )


def check_limits(
    name: str,
    effect: Effect,
    *,
    rate: RateLimit | None,
    circuit: CircuitBreaker | None,
    hedge: float | None,
    cache: float | None,
) -> None:
    """Refuse limits that are none, and those that the effect of a tool forbids.

    Raises ConfigError (`bad_tool`).
    """
    if rate is not None and not isinstance(rate, RateLimit):
        raise ConfigError("bad_tool", f"tool '{name}': rate is a RateLimit, not {rate!r}")
    if circuit is not None and not isinstance(circuit, CircuitBreaker):
        raise ConfigError(
            "bad_tool", f"tool '{name}': circuit is a CircuitBreaker, not {circuit!r}"
        )
    for option, seconds in (("hedge", hedge), ("cache", cache)):
        if seconds is not None and not _positive(seconds):
            raise ConfigError(
                "bad_tool", f"tool '{name}': {option} is a number of seconds, not {seconds!r}"
            )
    if hedge is not None and not effect.repeatable:
        raise ConfigError(
            "bad_tool",
            f"tool '{name}': hedge makes a second call, so it is for pure and read tools; effect "
            f"is '{effect}'",
        )
    if cache is not None and effect is not Effect.PURE:
        raise ConfigError(
            "bad_tool",
            f"tool '{name}': cache uses a result again, so it is for pure tools; effect is "
            f"'{effect}'",
        )


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _positive(value: object) -> bool:
    # NaN is neither, and True is no number of seconds.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf

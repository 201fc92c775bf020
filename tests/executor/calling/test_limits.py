"""What may be declared, and what is refused."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from treadle.core.errors import ConfigError
from treadle.tools import CircuitBreaker, RateLimit, tool


def nothing() -> None: ...


@pytest.mark.parametrize("effect", ["read", "write", "irreversible"])
def test_only_pure_tools_have_a_cache(effect: str) -> None:
    with pytest.raises(ConfigError, match="cache") as raised:
        tool(effect=effect, cache=5)(nothing)
    assert raised.value.code == "bad_tool"


@pytest.mark.parametrize("effect", ["write", "irreversible"])
def test_only_repeatable_tools_are_hedged(effect: str) -> None:
    with pytest.raises(ConfigError, match="hedge") as raised:
        tool(effect=effect, hedge=5)(nothing)
    assert raised.value.code == "bad_tool"


def test_the_effect_cannot_be_changed_under_a_cache() -> None:
    pure = tool(effect="pure", cache=5)(nothing)
    with pytest.raises(ConfigError):
        dataclasses.replace(pure, effect="write")  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, True, "5"])
@pytest.mark.parametrize("option", ["cache", "hedge"])
def test_seconds_are_a_positive_number(option: str, seconds: Any) -> None:
    with pytest.raises(ConfigError, match=option):
        tool(effect="pure", **{option: seconds})(nothing)


@pytest.mark.parametrize(
    ("number", "seconds"), [(0, 1), (-1, 1), (1.5, 1), (True, 1), (1, 0), (1, math.nan), (1, "1")]
)
def test_limits_are_positive_numbers(number: Any, seconds: Any) -> None:
    for make in (RateLimit, CircuitBreaker):
        with pytest.raises(ConfigError) as raised:
            make(number, seconds)
        assert raised.value.code == "bad_tool"


@pytest.mark.parametrize("declared", [{"rate": 5}, {"circuit": True}])
def test_a_number_is_no_limit(declared: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(declared))):
        tool(**declared)(nothing)


def test_every_effect_may_be_limited() -> None:
    for effect in ("pure", "read", "write", "irreversible"):
        made = tool(effect=effect, rate=RateLimit(5, 1), circuit=CircuitBreaker())(nothing)
        assert made.rate == RateLimit(5, 1.0)
        assert made.circuit == CircuitBreaker(5, 30.0)

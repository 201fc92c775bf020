"""What tokens cost, and where prices come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.chat import Usage
from treadle.core.errors import ConfigError
from treadle.core.prices import Price, PriceList
from treadle.core.settings import load_settings


def test_cached_tokens_have_a_price_of_their_own() -> None:
    usage = Usage(1_000_000, 100_000, cached_tokens=600_000, calls=1)
    assert Price(prompt=2, completion=10).of(usage) == 3
    assert Price(prompt=2, cached=0.5, completion=10).of(usage) == 0.8 + 0.3 + 1


@given(prompt=st.integers(0, 10**6), cached=st.integers(0, 10**6), reply=st.integers(0, 10**6))
def test_a_call_never_costs_more_than_was_reserved(prompt: int, cached: int, reply: int) -> None:
    for price in (Price(2, 10), Price(2, 10, cached=0.2), Price(2, 10, cached=3)):
        assert price.of(Usage(prompt, reply, cached, 1)) <= price.at_most(prompt, reply)


def test_the_name_that_fits_best_counts() -> None:
    prices = PriceList({"a:*": Price(1, 1), "a:b*": Price(2, 2), "a:bc": Price(3, 3)})
    found = [prices.find(name) for name in ("a:x", "a:bx", "a:bc", "b")]
    assert [each and each.prompt for each in found] == [1, 2, 3, None]


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, "1"])
def test_a_price_that_makes_no_sense_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="bad_price"):
        Price(prompt=value, completion=1)
    with pytest.raises(ConfigError, match="bad_price"):
        Price(prompt=1, completion=1, cached=value)


Costs = st.lists(st.floats(0, 1000), max_size=20)


@given(costs=Costs, cut=st.integers(0, 20))
def test_sums_of_costs_do_not_depend_on_their_order(costs: list[float], cut: int) -> None:
    price = Price(1, 1)
    parts = [
        Usage(int(cost * 1e6), calls=1, cost=price.of(Usage(int(cost * 1e6)))) for cost in costs
    ]
    whole = sum(parts, Usage())
    first = sum(parts[:cut], Usage())
    assert first + (whole - first) == whole == sum(reversed(parts), Usage())


def test_one_unknown_cost_makes_the_sum_unknown() -> None:
    known, unknown = Usage(1, 1, 0, 1, cost=0.5), Usage(1, 1, 0, 1)
    assert (Usage() + known).cost == 0.5
    assert (known + unknown).cost is (unknown + known).cost is None
    assert (Usage() + Usage()).cost is None
    assert known.as_json()["cost"] == 0.5


def settings(folder: Path, text: str) -> Any:
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return load_settings({}, path)


def test_prices_stand_in_the_config_file(tmp_path: Path) -> None:
    text = 'model = "m"\n[prices."openai:x"]\nprompt = 2.5\ncached = 1.25\ncompletion = 10\n'
    read = settings(tmp_path, text)
    assert read.prices == {"openai:x": Price(prompt=2.5, cached=1.25, completion=10)}
    assert read.get("model") == "m"
    assert load_settings({}, tmp_path / "none.toml").prices == {}


@pytest.mark.parametrize(
    "text",
    [
        "prices = 3\n",
        "[prices]\nm = 3\n",
        "[prices.m]\nprompt = 1\n",
        "[prices.m]\nprompt = 1\ncompletion = -1\n",
        '[prices.m]\nprompt = 1\ncompletion = "1"\n',
        "[prices.m]\nprompt = 1\ncompletion = 1\nreply = 1\n",
    ],
)
def test_a_bad_price_in_the_config_file_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="prices") as caught:
        settings(tmp_path, text)
    assert caught.value.code == "bad_config_file"
    assert str(tmp_path) in caught.value.message

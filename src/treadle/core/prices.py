"""Prices: what the tokens of a model cost, in whatever currency the user counts in.

None ship with Treadle: they would be wrong before long. They come from code (`Runtime(prices=...)`)
and from the config file (`[prices."MODEL"]`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, inf
from typing import TYPE_CHECKING

from treadle.core.errors import ConfigError

if TYPE_CHECKING:
    from treadle.core.chat import Usage

FREE = "offline"
"""The stand-in that ships with Treadle: it is part of the process, and nobody bills it."""

_MILLION = 1_000_000
_DIGITS = 10


def rounded(cost: float) -> float:
    """`cost` on the grid of all costs, on which sums do not depend on their order.

    A single token at 0.001 per million is still told from none.
    """
    return round(cost, _DIGITS)


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens of a model cost.

    prompt, completion: tokens that the model reads and writes.
    cached: prompt tokens that the backend had in its cache; as `prompt` where nothing is said.

    Raises ConfigError (`bad_price`) for what is negative or no number.
    """

    prompt: float
    completion: float
    cached: float | None = None

    def __post_init__(self) -> None:
        for name in ("prompt", "completion", "cached"):
            value: object = getattr(self, name)
            if name == "cached" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError("bad_price", f"a {name} price of {value!r} is no number")
            if not 0 <= value < inf:
                raise ConfigError("bad_price", f"a {name} price of {value} makes no sense")

    def of(self, usage: Usage) -> float:
        """What `usage` costs."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        price = self.prompt if self.cached is None else self.cached
        read = (usage.prompt_tokens - cached) * self.prompt + cached * price
        return rounded((read + usage.completion_tokens * self.completion) / _MILLION)

    def at_most(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost at most: nothing was cached."""
        read = prompt_tokens * max(self.prompt, self.cached or 0.0)
        return rounded((read + completion_tokens * self.completion) / _MILLION)

    def affordable(self, cost: float, prompt_tokens: int) -> float:
        """Completion tokens that `cost` pays for after the prompt; negative without that much."""
        left = cost - self.at_most(prompt_tokens, 0)
        if left < 0:
            return -1
        return inf if self.completion == 0 else floor(left * _MILLION / self.completion)


class PriceList:
    """The prices of models by name, as events name them (`openai:gpt-4o`).

    A name that ends in `*` stands for all that begin so (`vllm:*`); the longest one that fits
    counts, and a full name before all of them.
    """

    __slots__ = ("_exact", "_prefixes")

    def __init__(self, prices: Mapping[str, Price] | None = None) -> None:
        given = {FREE: Price(0, 0), **(prices or {})}
        self._exact = {name: each for name, each in given.items() if not name.endswith("*")}
        prefixes = [(name[:-1], each) for name, each in given.items() if name.endswith("*")]
        self._prefixes = sorted(prefixes, key=lambda each: -len(each[0]))

    def find(self, model: str) -> Price | None:
        """The price of `model`; None where nobody has said it."""
        found = self._exact.get(model)
        if found is not None:
            return found
        return next((each for prefix, each in self._prefixes if model.startswith(prefix)), None)


NO_PRICES = PriceList()

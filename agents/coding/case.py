"""A case: one call of the code under test, and what should come of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from treadle.core.errors import ConfigError
from treadle.core.json_value import JsonValue, canonical_json, compact_json

CaseSource: TypeAlias = Literal["given", "person", "generated"]
"""Who says what should come out: the caller, a person who was asked, or the model."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function of the code under test. args, named: JSON values."""

    function: str
    args: tuple[JsonValue, ...] = ()
    named: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def key(self) -> bytes:
        """Equal for equal calls."""
        return canonical_json([self.function, list(self.args), dict(self.named)])

    def __str__(self) -> str:
        shown = [repr(each) for each in self.args]
        shown += [f"{name}={value!r}" for name, value in self.named.items()]
        return f"{self.function}({', '.join(shown)})"

    def wire(self) -> dict[str, JsonValue]:
        """As the harness reads it."""
        return {"function": self.function, "args": list(self.args), "named": dict(self.named)}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a call gave, as the harness saw it: a value, an exception, or no end.

    value: as JSON (tuples as lists, sets as sorted lists, the text of what JSON has no form for).
    text: how Python writes the value, shortened; or the exception's text.
    error: the exception's name. ended: why there was no answer. line: of the code, where it raised.
    """

    value: JsonValue = None
    text: str = ""
    error: str | None = None
    ended: str | None = None
    line: int | None = None

    @property
    def key(self) -> str:
        """Equal for outcomes that are the same; of exceptions only the name counts."""
        if self.ended is not None:
            return "ended"
        return f"raises {self.error}" if self.error else f"value {_rounded(self.value)}"

    def __str__(self) -> str:
        if self.ended is not None:
            return f"no result: {self.ended}"
        return f"raises {self.text or self.error}" if self.error else f"returns {self.text}"


@dataclass(frozen=True, slots=True)
class Case:
    """A call and what should come of it. error: the name of the exception, in place of a value.

    Raises ConfigError (`bad_case`) where the call is none.
    """

    call: Call
    expected: JsonValue = None
    error: str | None = None
    source: CaseSource = "given"
    why: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.call, Call):
            raise ConfigError(
                "bad_case",
                f"{self.call!r:.100} is no call; write it like Case(Call('total', ([1, 2],)), 3)",
            )

    def holds(self, seen: Seen) -> bool:
        """Whether `seen` is what should come out; floats may differ in the ninth digit."""
        if seen.ended is not None:
            return False
        if self.error is not None or seen.error is not None:
            return self.error == seen.error
        return same(self.expected, seen.value)

    @property
    def wanted(self) -> str:
        """What should come out, in words."""
        return f"raises {self.error}" if self.error else f"returns {self.expected!r}"

    def __str__(self) -> str:
        return f"{self.call} {self.wanted}"


def same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two JSON values are equal, as a test would have it: 2 is 2.0, but True is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        if isinstance(one, int) and isinstance(other, int):
            return one == other
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def _rounded(value: JsonValue) -> str:
    """A text that is equal for values that `same` takes for equal, nearly always."""
    match value:
        case float():
            return f"{value:.9g}" if not value.is_integer() else str(int(value))
        case list():
            return f"[{','.join(_rounded(each) for each in value)}]"
        case dict():
            pairs = (f"{key!r}:{_rounded(value[key])}" for key in sorted(value))
            return f"{{{','.join(pairs)}}}"
    return compact_json(value)

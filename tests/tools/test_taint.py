"""Which types carry text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from treadle.tools import Tool, tool
from treadle.tools.taint import carries_text


@dataclass
class Score:
    value: float
    mood: Literal["good", "bad"]


@dataclass
class Note:
    score: Score
    text: str


def giving(returns: Any) -> Tool:
    def give() -> Any:
        """Give."""

    give.__annotations__["return"] = returns
    return tool(give)


@pytest.mark.parametrize(
    "returns", [int, float, bool, None, Literal["a", 3], int | None, bool | float]
)
def test_scalars_carry_none(returns: Any) -> None:
    assert not carries_text(giving(returns).returns)


@pytest.mark.parametrize(
    "returns",
    [
        str,
        Any,
        dict[str, int],
        list[int],
        list[bool],
        str | int,
        Note,
        bytes,
        dict[str, Any],
        object,
    ],
)
def test_whatever_may_hold_words_does(returns: Any) -> None:
    assert carries_text(giving(returns).returns)


def test_a_closed_object_of_scalars_carries_none() -> None:
    score = {
        "type": "object",
        "properties": {"value": {"type": "number"}, "mood": {"$ref": "#/$defs/mood"}},
        "additionalProperties": False,
        "$defs": {"mood": {"enum": ["good", "bad"]}},
    }
    assert not carries_text(score)  # type: ignore[arg-type]
    assert carries_text({**score, "additionalProperties": True})  # type: ignore[arg-type]
    assert carries_text(giving(Score).returns)  # a dataclass does not say that it is closed


def test_what_refers_to_itself_or_to_nothing_carries_text() -> None:
    loop = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert carries_text(loop)  # type: ignore[arg-type]
    assert carries_text({"$ref": "#/$defs/b"})
    assert carries_text({"allOf": [{"type": "integer"}]})
    assert carries_text({"type": ["integer", "string"]})
    assert carries_text({"anyOf": []})

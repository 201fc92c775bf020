"""Reading a tool's source: what is one, and that nothing of it runs."""

import inspect
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import ToolError
from treadle.tools.making.source import read_source

GOOD = '''
import math  # a comment

UNIT = 3.6

def _round(value):
    return round(value, 2)

def speed_of(metres: float, seconds: float = 1.0, *, unit: Literal["km/h", "m/s"] = "m/s") -> float:
    """Work out a speed.

    Args:
        metres: How far.
    """
    return _round(metres / seconds * (UNIT if unit == "km/h" else 1))
'''


def test_the_signature_is_read_off_the_source() -> None:
    source = read_source(GOOD)
    assert source.name == "speed_of"
    parameters = source.signature.parameters
    assert list(parameters) == ["metres", "seconds", "unit"]
    assert parameters["unit"].annotation == Literal["km/h", "m/s"]
    assert parameters["seconds"].default == 1.0
    assert parameters["metres"].default is inspect.Parameter.empty
    assert source.signature.return_annotation is float


def test_layout_and_comments_do_not_count() -> None:
    assert read_source(GOOD).text == read_source(GOOD.replace("# a comment", "")).text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("list[int]", list[int]), ("dict[str, list[float]]", dict[str, list[float]]),
        ("int | None", int | None), ("Any", Any), ("list", list),
    ],
)  # fmt: skip
def test_types_of_json_are_known(written: str, meant: object) -> None:
    source = read_source(f'def f(a: {written}) -> {written}:\n    "Do."\n    return a')
    assert source.signature.parameters["a"].annotation == meant


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "not python at all",
        "x = 1",
        "def f(a: int) -> int:\n    return a",  # no docstring
        'def f(a) -> int:\n    "Do."\n    return a',
        'def f(a: int):\n    "Do."\n    return a',
        'def f(*a: int) -> int:\n    "Do."\n    return 1',
        'def f(a: int, /) -> int:\n    "Do."\n    return 1',
        'def F(a: int) -> int:\n    "Do."\n    return a',
        'def f(a: __import__("os").system("true")) -> int:\n    "Do."\n    return 1',
        'def f(a: bytes) -> int:\n    "Do."\n    return 1',
        'def f(a: dict[int, int]) -> int:\n    "Do."\n    return 1',
        'def f(a: int = print(1)) -> int:\n    "Do."\n    return 1',
        'def f() -> int:\n    "Do."\n    return 1\ndef g() -> int:\n    "Do."\n    return 1',
        'def f() -> int:\n    "Do."\n    return 1\nprint("hello")',
        'import os\nos.x = 1\ndef f() -> int:\n    "Do."\n    return 1',
        '@print\ndef f() -> int:\n    "Do."\n    return 1',
        'async def f() -> int:\n    "Do."\n    return 1',
        "(" * 10_000,
        "-" * 15_000 + "1",
        "a\0b",
        "x" * 30_000,
    ],
)
def test_what_is_no_tool_is_refused_with_a_reason(bad: str) -> None:
    with pytest.raises(ToolError) as caught:
        read_source(bad)
    assert caught.value.code == "bad_tool_source"


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_source(text)
    except ToolError as error:
        assert error.code == "bad_tool_source"

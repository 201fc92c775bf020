"""Tools as typed Python functions."""

from __future__ import annotations

import ast
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from treadle.core.errors import ConfigError
from treadle.tools import tool
from treadle.tools.codemode import stubs_of


class Place(BaseModel):
    name: str
    size: int | None = None


@tool(name="web.find-page")
async def find(
    query: str,
    kind: Literal["text", "image"] = "text",
    most: int | None = None,
    where: list[Place] | None = None,
    options: dict[str, float] | None = None,
    anything: Any = None,
) -> list[Place]:
    """Find "pages" of \\ interest.

    Args:
        query: what to look for
    """
    return []


@tool(name="class")
async def odd(b: int, *, a: str = '"""', c: bool) -> str:
    """\"\"\"
    import os  # a description that would like to be code
    \"\"\""""
    return ""


def test_stubs_are_python_with_the_types_of_the_tools() -> None:
    stubs = stubs_of([find, odd])
    tree = ast.parse(stubs.text)
    functions = {each.name: each for each in tree.body if isinstance(each, ast.AsyncFunctionDef)}
    assert list(functions) == ["web_find_page", "class_"]
    assert len(tree.body) == 3  # the import, and nothing from a description
    shown = ast.unparse(functions["web_find_page"].args)
    assert shown == (
        "query: str, kind: Literal['text', 'image']=..., most: int | None=..., "
        "where: list[dict[str, Any]] | None=..., options: dict[str, float] | None=..., "
        "anything: Any=..."
    )
    assert ast.unparse(functions["web_find_page"].returns or ast.Constant(0)) == (
        "list[dict[str, Any]]"
    )


def test_two_tools_with_one_name_in_python_are_refused() -> None:
    @tool(name="a.b")
    async def one() -> int:
        return 1

    @tool(name="a-b")
    async def other() -> int:
        return 2

    with pytest.raises(ConfigError) as caught:
        stubs_of([one, other])
    assert caught.value.code == "duplicate_tool"


def test_arguments_are_named_as_python_names_them() -> None:
    stubs = stubs_of([odd])
    assert stubs.arguments("class_", [1], {"c": True}) == {"b": 1, "c": True}
    for positional, named in (([1, 2, 3, 4], {}), ([1], {"b": 2})):
        with pytest.raises(TypeError):
            stubs.arguments("class_", positional, named)

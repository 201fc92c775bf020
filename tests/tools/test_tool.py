"""Tools: schemas from functions, checked arguments, typed outputs, coded failures."""

import asyncio
import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field

from treadle import Effect, Tool, ToolRegistry, tool
from treadle.core.errors import ConfigError, ToolError
from treadle.tools.artifacts import Artifact, ArtifactStore


class Point(BaseModel):
    x: int
    y: int = 0


@dataclass
class Pair:
    left: str
    right: list[int]


async def code_of(called: Tool, **arguments: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await called.call(arguments)
    return caught.value.code


def test_the_schema_comes_from_hints_and_docstring() -> None:
    @tool(effect="pure")
    def place(point: Point, mode: Literal["a", "b"] = "a", schema: int | None = None) -> Pair:
        """Place a point.

        More on it.

        Args:
            point: where
            schema: a name that pydantic uses itself
        """
        return Pair(mode, [point.x])

    assert place.description == "Place a point.\n\nMore on it."
    assert place.effect is Effect.PURE
    assert place.parameters["required"] == ["point"]
    assert place.parameters["additionalProperties"] is False
    properties: Any = place.parameters["properties"]
    assert properties["point"]["description"] == "where"
    assert properties["mode"] == {"default": "a", "enum": ["a", "b"], "type": "string"}
    assert "title" not in str(place.parameters)
    assert place.spec.name == "place"


async def test_arguments_become_the_types_that_the_function_wants() -> None:
    @tool
    def shift(point: Point, by: Annotated[int, Field(gt=0)]) -> Point:
        """Shift."""
        assert isinstance(point, Point)
        return Point(x=point.x + by)

    assert await shift.call({"point": {"x": 1}, "by": "2"}) == {"x": 3, "y": 0}
    assert await code_of(shift, point={"x": "far"}, by=1) == "invalid_arguments"
    assert await code_of(shift, point={"x": 1}, by=0) == "invalid_arguments"
    assert await code_of(shift, point={"x": 1}) == "invalid_arguments"
    assert await code_of(shift, point={"x": 1}, by=1, extra=1) == "invalid_arguments"


async def test_outputs_are_json_of_the_declared_type() -> None:
    @tool
    def pair() -> Pair:
        """Two things."""
        return Pair("l", [1])

    @tool
    def wrong() -> int:
        """Not a number."""
        return "x"  # type: ignore[return-value]

    @tool
    def undefined() -> float:
        """NaN."""
        return float("nan")

    @tool
    def deep() -> Any:
        """NaN inside."""
        return {"a": [float("inf")]}

    @tool
    def raw() -> Any:
        """Bytes that are no text."""
        return b"\xff\xfe"

    @tool
    def endless() -> int:
        """More digits than Python reads back from JSON."""
        return 1 << 100_000

    @tool
    def circular() -> Any:
        """A list that holds itself."""
        items: list[Any] = []
        items.append(items)
        return items

    assert await pair.call({}) == {"left": "l", "right": [1]}
    for broken in (wrong, undefined, deep, raw, endless, circular):
        assert await code_of(broken) == "invalid_output", broken.name


async def test_failures_are_coded() -> None:
    @tool
    async def fails() -> None:
        """Fail."""
        raise ValueError("no luck")

    @tool
    def leaves() -> None:
        """Try to end the process."""
        raise SystemExit(3)

    @tool
    async def gives_up() -> None:
        """Raise a cancellation of its own."""
        raise asyncio.CancelledError

    @tool
    async def closes() -> None:
        """Raise what ends a generator."""
        raise GeneratorExit

    @tool
    async def own_code() -> None:
        """Fail with a code."""
        raise ToolError("sold_out", "nothing left")

    @tool
    async def own_timeout() -> None:
        """Time out by itself."""
        raise TimeoutError("upstream")

    with pytest.raises(ToolError, match="ValueError: no luck"):
        await fails.call({})
    for each in (fails, leaves, gives_up, closes, own_timeout):
        assert await code_of(each) == "tool_failed"
    assert await code_of(own_code) == "sold_out"


async def test_a_call_that_takes_too_long_is_given_up() -> None:
    @tool(timeout=0.05)
    async def slow() -> None:
        """Wait."""
        await asyncio.sleep(60)

    release = threading.Event()

    @tool(timeout=0.05)
    def blocking() -> None:
        """Block a thread."""
        release.wait(30)

    assert await code_of(slow) == "tool_timeout"
    assert await code_of(blocking) == "tool_timeout"
    release.set()


async def test_a_tool_is_still_its_function() -> None:
    @tool
    def plus(a: int, b: int = 1) -> int:
        """Add."""
        return a + b

    assert plus(1) == 2
    assert plus(a=1, b=2) == 3


def test_functions_that_cannot_be_described() -> None:
    def variadic(*names: str) -> None: ...

    def positional(a: int, /) -> None: ...

    def unknown(a: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    def untyped(a: threading.Thread) -> None: ...

    for function in (variadic, positional, unknown, untyped):
        with pytest.raises(ConfigError) as caught:
            tool(function)
        assert caught.value.code == "bad_tool"


@pytest.mark.parametrize(
    "options",
    [
        {"effect": "mild"}, {"effect": None}, {"effect": []}, {"timeout": 0}, {"timeout": "5"},
        {"timeout": True}, {"timeout": float("nan")}, {"concurrency": 0}, {"concurrency": 1.5},
        {"concurrency": True}, {"concurrency": "2"}, {"name": "a b"}, {"name": ""}, {"name": 5},
        {"description": 5}, {"calls_model": "yes"}, {"idempotent": 1, "effect": "write"},
        {"open_world": "yes"}, {"open_world": None}, {"untrusted": "no"}, {"sanitizes": "yes"},
        {"guards_calls": 1}, {"retry": True}, {"retry": "3"}, {"retry": 0}, {"rate": 5},
        {"circuit": 5}, {"hedge": "1"}, {"cache": True, "effect": "pure"}, {"cost": "1"},
        {"result_size": 1.0}, {"mock": 5}, {"verify": "x"}, {"approval": "maybe"},
        {"undo": 5, "effect": "write"}, {"reconcile": 5, "effect": "write"},
    ],
    ids=str,
)  # fmt: skip
def test_an_option_of_a_wrong_kind_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        tool(**{"name": "f", **options})(lambda: None)
    assert caught.value.code == "bad_tool"


@pytest.mark.parametrize("scopes", [5, [5], "not a name", [""]])
def test_scopes_that_are_no_names_are_refused(scopes: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        tool(name="f", scopes=scopes)(lambda: None)
    assert caught.value.code == "bad_secret"


@pytest.mark.parametrize("function", [5, "text", None.__class__])
def test_what_is_no_function_is_no_tool(function: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        tool(name="f")(function)
    assert caught.value.code == "bad_tool"


@pytest.mark.parametrize("options", [{"name": " "}, {"open_world": "yes"}, {"effect": "read"}])
def test_a_tool_is_checked_however_it_is_made(options: dict[str, Any]) -> None:
    @tool
    def reader() -> None:
        """Read."""

    with pytest.raises(ConfigError, match="bad_tool"):
        replace(reader, **options)


async def test_what_a_check_says_is_passed_on_as_it_is() -> None:
    def even(value: int) -> int:
        if value % 2:
            raise ValueError("An even number is wanted")
        return value

    @tool
    def half(number: Annotated[int, AfterValidator(even)]) -> int:
        """Half of it."""
        return number // 2

    with pytest.raises(ToolError) as caught:
        await half.call({"number": 3})
    assert caught.value.message == "'half': number: An even number is wanted"


def test_the_registry_names_what_is_wrong() -> None:
    @tool(name="read_file")
    def reader() -> None:
        """Read."""

    registry = ToolRegistry([reader])
    assert registry["read_file"] is reader
    with pytest.raises(ToolError, match="did you mean read_file"):
        registry.find("readfile")
    with pytest.raises(ConfigError, match="duplicate_tool"):
        ToolRegistry([reader, reader])
    with pytest.raises(ConfigError, match="bad_tool"):
        ToolRegistry([print])  # type: ignore[list-item]


def test_artifacts_hold_what_is_large() -> None:
    store = ArtifactStore(threshold=100)
    assert store.keep({"small": 1}) == {"small": 1}
    large = {"text": "x\ud800y" * 100, "list": list(range(50))}
    kept = store.keep(large)  # type: ignore[arg-type]
    assert isinstance(kept, Artifact)
    assert store.load(kept) == large
    assert store.keep(large) == kept  # type: ignore[arg-type]
    assert kept.path.exists()
    store.close()
    assert not kept.path.exists()


def test_old_artifacts_are_deleted_from_a_folder_that_stays(tmp_path: Path) -> None:
    old, other = tmp_path / "old.json", tmp_path / "notes.txt"
    for path in (old, other):
        path.write_text("0")
        os.utime(path, (0, 0))
    kept = ArtifactStore(tmp_path, threshold=10).keep("x" * 100)
    assert isinstance(kept, Artifact)
    assert kept.path.exists()
    assert not old.exists()
    assert other.exists()

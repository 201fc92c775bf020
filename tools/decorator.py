"""`@tool`: make a function a tool."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, overload

from treadle.core.errors import ConfigError
from treadle.core.ids import TOOL_NAME
from treadle.tools.effect import Effect
from treadle.tools.signature import described, signature_of
from treadle.tools.tool import Tool


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    effect: Effect | str = Effect.READ,
    timeout: float | None = None,
    concurrency: int | None = None,
    calls_model: bool = False,
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    effect: Effect | str = Effect.READ,
    timeout: float | None = None,
    concurrency: int | None = None,
    calls_model: bool = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a function, sync or async, a Tool.

    The schema comes from its type hints, the descriptions from its docstring (Google, NumPy or
    Sphinx style). Synchronous functions run in a thread of their own.

    name: the function's name by default.
    effect: "pure", "read" (default), "write" or "irreversible"; see `Effect`.
    timeout: seconds for one call.
    concurrency: how many calls may run at once in a run.
    calls_model: whether a call asks a language model.

    Raises ConfigError (`bad_tool`) for what cannot be described to a model.
    """

    def make(function: Callable[..., Any]) -> Tool:
        tool_name = str(name or getattr(function, "__name__", ""))
        if not TOOL_NAME.fullmatch(tool_name):
            raise ConfigError(
                "bad_tool",
                f"'{tool_name}' is no name for a tool; use letters, digits, '_', '-' and '.', "
                f"starting with a letter",
            )
        try:
            effect_class = Effect(effect)
        except ValueError:
            raise ConfigError(
                "bad_tool", f"tool '{tool_name}': effect '{effect}' is none of {', '.join(Effect)}"
            ) from None
        if timeout is not None and not 0 < timeout < float("inf"):
            raise ConfigError("bad_tool", f"tool '{tool_name}': a timeout of {timeout} s")
        if concurrency is not None and concurrency < 1:
            raise ConfigError("bad_tool", f"tool '{tool_name}': a concurrency of {concurrency}")
        return Tool(
            name=tool_name,
            description=description or described(function),
            signature=signature_of(function, tool_name),
            function=function,
            is_async=_is_async(function),
            effect=effect_class,
            timeout=timeout,
            concurrency=concurrency,
            calls_model=calls_model,
        )

    return make if function is None else make(function)


def _is_async(function: Callable[..., Any]) -> bool:
    if inspect.iscoroutinefunction(function):
        return True
    return inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004

"""The functions that take a call of a tool back, or tell whether it happened."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from treadle.core.errors import ConfigError, ToolError
from treadle.core.threads import run_in_thread
from treadle.tools.effect import Effect
from treadle.tools.signature import Signature


def is_async(function: Callable[..., object]) -> bool:
    """Whether calling `function` gives a coroutine."""
    if inspect.iscoroutinefunction(function):
        return True
    return inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def check_undoing(
    name: str,
    effect: Effect,
    signature: Signature,
    *,
    undo: Callable[..., object] | None,
    reconcile: Callable[..., object] | None,
    idempotent: bool,
) -> None:
    """Refuse, when a tool is declared, what could not work when it is needed.

    Raises ConfigError (`bad_tool`).
    """
    declared = {"undo": undo, "reconcile": reconcile, "idempotent": idempotent or None}
    given = [option for option, value in declared.items() if value is not None]
    if given and effect.repeatable:
        raise ConfigError(
            "bad_tool",
            f"tool '{name}': {given[0]} is for tools that change something; effect is '{effect}'",
        )
    if undo is not None:
        _check_callable(name, "undo", undo, signature, (None,))
    if reconcile is not None:
        _check_callable(name, "reconcile", reconcile, signature, ())
        if signature.returns == {"type": "null"}:
            raise ConfigError(
                "bad_tool",
                f"tool '{name}': it returns None, which from reconcile means that the call did not "
                f"happen; return something",
            )


def _check_callable(
    name: str, option: str, function: object, signature: Signature, leading: tuple[None, ...]
) -> None:
    if not callable(function):
        raise ConfigError("bad_tool", f"tool '{name}': {option} is not a function")
    try:
        takes = inspect.signature(function)
    except ValueError:
        return  # written in C, and does not say what it takes
    wanted = f"{option}({'result, ' if leading else ''}{', '.join(signature.names)})"
    choices: tuple[Iterable[str], ...] = (signature.names, signature.required)
    for names in choices:
        try:
            takes.bind(*leading, **dict.fromkeys(names))
        except TypeError as error:
            raise ConfigError(
                "bad_tool",
                f"tool '{name}': {option} is called as {wanted}, where what has a default in the "
                f"tool may be left out: {error}",
            ) from None


async def bounded(
    call: Callable[[], object], *, asynchronous: bool, seconds: float, code: str, title: str
) -> Any:
    """Call a function of a tool's author and wait for what it gives, at most `seconds`.

    code, title: of the ToolError for a foreign exception and for no answer in time; a ToolError
    that the function raises itself stays as it is.
    """
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            result = call() if asynchronous else await run_in_thread(call)
            # A plain function may still hand out a coroutine: a lambda, a decorator's wrapper.
            return await cast(Awaitable[object], result) if inspect.isawaitable(result) else result
    except ToolError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ToolError(code, f"{title} cancelled itself") from error
    except (Exception, SystemExit) as error:
        if isinstance(error, TimeoutError) and deadline.expired():
            raise ToolError(
                code,
                f"{title} took more than {seconds:g} s; look at what it did, or give it longer",
            ) from error
        text = str(error).strip()
        named = f"{type(error).__name__}: {text}" if text else type(error).__name__
        raise ToolError(code, f"{title} raised {named}") from error

"""Tools that give their output item by item: generator functions, sync and async."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing, suppress
from typing import Any, TypeAlias, get_args

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.core.threads import run_in_thread

MOST_ITEMS = 100_000
"""Items of one stream; a source that never ends must not fill the memory."""

_AT_ONCE = 100
"""Items after which the loop gets its turn, where the generator never waits."""

TakeItem: TypeAlias = Callable[[JsonValue], None]


def is_stream(function: Callable[..., object]) -> bool:
    """Whether `function` yields its output."""
    return inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)


def yielded(returned: Any) -> Any:
    """The type of the items, from the return annotation of a generator function."""
    arguments = get_args(returned)
    return arguments[0] if arguments else Any


async def collected(
    name: str,
    start: Callable[[], object],
    check: Callable[[object], JsonValue],
    take: TakeItem | None,
) -> list[JsonValue]:
    """All items of the generator that `start` makes, each checked.

    take: told of each item as it comes, in the event loop's thread.

    Raises ToolError (`stream_too_long`), what `check` raises, and what the generator raises.
    """
    items: list[JsonValue] = []

    def add(item: object) -> None:
        if len(items) >= MOST_ITEMS:
            raise ToolError("stream_too_long", f"'{name}' gave more than {MOST_ITEMS:,} items")
        items.append(check(item))

    if not inspect.isasyncgenfunction(getattr(start, "func", start)):
        await _in_thread(start, add, items, take)
        return items
    source: Any = start()
    stream: AsyncGenerator[object, None] = source
    async with aclosing(stream):
        async for item in stream:
            add(item)
            if take is not None:
                take(items[-1])
            if len(items) % _AT_ONCE == 0:
                await asyncio.sleep(0)
    return items


async def _in_thread(
    start: Callable[[], object],
    add: Callable[[object], None],
    items: list[JsonValue],
    take: TakeItem | None,
) -> None:
    loop = asyncio.get_running_loop()
    left = threading.Event()

    def work() -> None:
        source: Any = start()
        stream: Generator[object, None, None] = source
        with closing(stream):
            for item in stream:
                if left.is_set():
                    return
                add(item)
                if take is not None:
                    # A closed loop raises: whoever waited is gone.
                    with suppress(RuntimeError):
                        loop.call_soon_threadsafe(give, take, items[-1])

    def give(take: TakeItem, item: JsonValue) -> None:
        if not left.is_set():
            take(item)

    try:
        await run_in_thread(work)
    finally:
        left.set()

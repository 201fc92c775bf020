"""The tools of the crash test: every effect, and every way to know what became of it."""

from __future__ import annotations

import asyncio
import time
import zlib
from typing import Any

from tests.crash.world import World, call_key
from treadle import tool
from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue, canonical_json
from treadle.tools import Tool

REPEATABLE = frozenset({"look", "compute", "flaky", "big", "fail"})
"""The tools that may be called again."""

FAILING = frozenset({"fail", "refuse"})
"""The tools whose calls fail, without an effect."""

MAKES_LIST = frozenset({"look", "compute", "flaky"})
"""The tools whose output has `n` and `list`, whatever they are given."""


def number_of(name: str) -> int:
    """From 0 to 99; what conditions are about."""
    return zlib.crc32(name.encode()) % 100


def output_of(tool: str, name: str, x: JsonValue, item: JsonValue = None) -> JsonValue:
    """What a call gives; it shows whether the inputs were the right ones."""
    number = number_of(name)
    saw = zlib.crc32(canonical_json([x, item]))
    if tool in MAKES_LIST:
        return {"n": number, "list": list(range(number % 4 + 1)), "saw": saw}
    if tool == "big":  # an artifact, not a value of the journal
        return f"{saw:08x}" * 20_000
    return {"did": call_key(name, item), "saw": saw}


def failure_of(name: str, item: JsonValue = None) -> str:
    """The message of a call that fails."""
    return f"{call_key(name, item)} is broken"


def tools(world: World, life: int) -> list[Tool]:
    """The tools of one process.

    name, item: the call, as the world knows it. x: outputs of other steps. before, after: seconds
    until the effect, and until the result.
    """
    failed: set[str] = set()

    @tool(effect="read")
    async def look(name: str, x: Any, item: Any = None, before: float = 0, after: float = 0) -> Any:
        world.enter(call_key(name, item), life)
        await asyncio.sleep(before + after)
        return output_of("look", name, x, item)

    @tool(effect="pure")
    def compute(name: str, x: Any, item: Any = None, before: float = 0, after: float = 0) -> Any:
        world.enter(call_key(name, item), life)
        time.sleep(before + after)
        return output_of("compute", name, x, item)

    @tool(effect="read")
    async def flaky(
        name: str, x: Any, item: Any = None, before: float = 0, after: float = 0
    ) -> Any:
        key = call_key(name, item)
        world.enter(key, life)
        await asyncio.sleep(before)
        if key not in failed:
            failed.add(key)
            raise ToolError("flaky", "not this time", retryable=True)
        return output_of("flaky", name, x, item)

    @tool(effect="read")
    async def big(name: str, x: Any, item: Any = None, before: float = 0, after: float = 0) -> str:
        world.enter(call_key(name, item), life)
        await asyncio.sleep(before)
        return str(output_of("big", name, x, item))

    @tool(effect="read")
    async def fail(name: str, x: Any, item: Any = None, before: float = 0, after: float = 0) -> Any:
        world.enter(call_key(name, item), life)
        await asyncio.sleep(before)
        raise ToolError("broken", failure_of(name, item))

    return [look, compute, flaky, big, fail, *_writing(world, life)]


def _writing(world: World, life: int) -> list[Tool]:
    async def act(key: str, before: float, after: float) -> None:
        world.enter(key, life)
        if before:
            await asyncio.sleep(before)
        world.act(key, life)
        await asyncio.sleep(after)

    @tool(effect="write")
    async def write(
        name: str, x: Any, item: Any = None, before: float = 0, after: float = 0
    ) -> Any:
        """Nobody but a person can tell whether it happened."""
        await act(call_key(name, item), before, after)
        return output_of("write", name, x, item)

    @tool(effect="write")
    async def hold(name: str, x: Any, item: Any = None, before: float = 0, after: float = 0) -> Any:
        """The same at once, and nothing else can happen meanwhile: no commit that is late."""
        world.enter(call_key(name, item), life)
        world.act(call_key(name, item), life)
        time.sleep(before + after)
        return output_of("hold", name, x, item)

    @tool(effect="irreversible")
    def send(name: str, x: Any, item: Any = None, before: float = 0, after: float = 0) -> Any:
        """The same in a thread."""
        key = call_key(name, item)
        world.enter(key, life)
        time.sleep(before)
        world.act(key, life)
        time.sleep(after)
        return output_of("send", name, x, item)

    def found(name: str, x: Any, item: Any = None, before: float = 0, after: float = 0) -> Any:
        happened = call_key(name, item) in world.effects()
        return output_of("checked", name, x, item) if happened else None

    @tool(effect="write", reconcile=found)
    async def checked(
        name: str, x: Any, item: Any = None, before: float = 0, after: float = 0
    ) -> Any:
        await act(call_key(name, item), before, after)
        return output_of("checked", name, x, item)

    @tool(effect="write", idempotent=True)
    async def put(
        name: str,
        x: Any,
        item: Any = None,
        before: float = 0,
        after: float = 0,
        *,
        idempotency_key: str,
    ) -> Any:
        world.enter(call_key(name, item), life)
        await asyncio.sleep(before)
        world.put(idempotency_key)
        await asyncio.sleep(after)
        return output_of("put", name, x, item)

    def take_back(result: Any, **arguments: Any) -> None:
        raise AssertionError("nothing is undone here")

    @tool(effect="write", undo=take_back)
    async def undoable(
        name: str, x: Any, item: Any = None, before: float = 0, after: float = 0
    ) -> Any:
        """It asks nobody, because it could be undone."""
        await act(call_key(name, item), before, after)
        return output_of("undoable", name, x, item)

    @tool(effect="write")
    async def refuse(
        name: str, x: Any, item: Any = None, before: float = 0, after: float = 0
    ) -> Any:
        world.enter(call_key(name, item), life)
        await asyncio.sleep(before)
        raise ToolError("broken", failure_of(name, item))

    return [write, hold, send, checked, put, undoable, refuse]

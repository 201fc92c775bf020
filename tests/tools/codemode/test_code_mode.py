"""Snippets in the real interpreter."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from treadle.core.errors import BudgetExceeded, ConfigError, RunError, ToolError
from treadle.core.json_value import JsonValue
from treadle.tools import tool
from treadle.tools.codemode import CodeMode, CodeModeLimits, stubs_of

LIMITS = CodeModeLimits(
    seconds=10,
    compute_seconds=2,
    memory_bytes=8_000_000,
    calls=20,
    parallel_calls=3,
    output_bytes=1000,
    result_characters=10_000,
)


@tool(effect="pure")
async def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@tool(name="shop.find")
async def find(word: str) -> list[dict[str, Any]]:
    """Find things."""
    return [{"name": word, "price": len(word)}]


@tool
async def broken(how: str) -> str:
    """Fail."""
    raise ToolError(how, "it broke")


class Host:
    """Where the calls of a snippet go in these tests."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, JsonValue]]] = []
        self.at_once = self.most_at_once = 0
        self.raises: BaseException | None = None
        self.wait = 0.0

    async def __call__(self, name: str, arguments: dict[str, JsonValue]) -> JsonValue:
        self.calls.append((name, arguments))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.wait)
            if self.raises is not None:
                raise self.raises
            known = {each.name: each for each in (add, find, broken)}
            return await known[name].call(arguments)
        finally:
            self.at_once -= 1


Opened = Callable[[], AbstractAsyncContextManager[CodeMode]]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def opened(host: Host) -> Opened:
    @asynccontextmanager
    async def open_mode() -> AsyncIterator[CodeMode]:
        async with (
            asyncio.timeout(15),
            CodeMode(stubs_of([add, find, broken]), host, limits=LIMITS) as mode,
        ):
            yield mode

    return open_mode


async def test_a_snippet_calls_tools_and_gives_back_its_last_value(
    opened: Opened, host: Host
) -> None:
    code = """
found = await shop_find("loom")
total = await add(found[0]["price"], b=1)
print("total", total)
{"total": total, "names": [each["name"] for each in found]}
"""
    async with opened() as mode:
        outcome = await mode.run(code)
    assert outcome.error is None
    assert outcome.value == {"total": 5, "names": ["loom"]}
    assert outcome.printed == "total 5\n"
    assert outcome.calls == 2
    assert host.calls == [("shop.find", {"word": "loom"}), ("add", {"a": 4, "b": 1})]
    assert outcome.for_model() == 'printed:\ntotal 5\n\nresult: {"total":5,"names":["loom"]}'


async def test_calls_that_are_awaited_together_run_at_once_under_a_limit(
    opened: Opened, host: Host
) -> None:
    host.wait = 0.05
    code = """
import asyncio
async def twice(n):
    return await add(await add(n, 1), 1)
await asyncio.gather(*[twice(n) for n in range(6)], add(0, 0))
"""
    async with opened() as mode:
        outcome = await mode.run(code)
    assert outcome.value == [2, 3, 4, 5, 6, 7, 0]
    assert host.most_at_once == LIMITS.parallel_calls
    assert outcome.calls == 13


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("lost", "RuntimeError"),
        ("tool_timeout", "TimeoutError"),
        ("approval_denied", "RuntimeError"),
        ("invalid_arguments", "ValueError"),
    ],
)
async def test_a_tool_s_failure_is_an_exception_that_can_be_caught(
    opened: Opened, code: str, kind: str
) -> None:
    async with opened() as mode:
        caught = await mode.run(
            f"try:\n    await broken({code!r})\nexcept {kind} as error:\n    r = str(error)\nr"
        )
        uncaught = await mode.run(f"await broken({code!r})")
    assert caught.value == f"{code}: it broke"
    assert uncaught.error is not None
    assert uncaught.error.code == "snippet_error"
    assert f"{kind}: {code}: it broke" in uncaught.error.message
    assert "1 call was made before that" in uncaught.for_model()


@pytest.mark.parametrize(
    "error", [BudgetExceeded("steps", 1, 1), RunError("journal_failed", "the disk is full")]
)
async def test_what_ends_more_than_a_call_cannot_be_caught(
    opened: Opened, host: Host, error: Exception
) -> None:
    host.raises = error
    code = "try:\n    await add(1)\nexcept BaseException:\n    pass\nawait add(2)"
    together = "import asyncio\ntry:\n    await asyncio.gather(add(1), add(2))\nexcept: pass\n1"
    async with opened() as mode:
        for each in (code, together):
            with pytest.raises(type(error)):
                await mode.run(each)
        host.raises = None
        assert (await mode.run("await add(1)")).value == 3
    assert ("add", {"a": 2}) in host.calls
    assert host.at_once == 0


REFUSED = {
    "an ungranted tool": "await send('x')",
    "a builtin that reads files": "open('/etc/passwd').read()",
    "files": "from pathlib import Path\nPath('/etc/passwd').read_text()",
    "the environment": "import os\nos.environ['PATH']",
    "processes": "import subprocess\nsubprocess.run(['id'])",
    "the network": "import socket\nsocket.socket()",
    "imports by name": "__import__('os').system('id')",
    "classes behind values": "().__class__.__mro__[1].__subclasses__()",
    "frames": "import sys\nsys._getframe()",
    "sleep": "import asyncio\nawait asyncio.sleep(0.01)",
    "the clock": "import time\ntime.time()",
    "today": "import datetime\ndatetime.date.today()",
    "chance": "import random\nrandom.random()",
    "wrong arguments": "await add('one')",
    "too many arguments": "await add(1, 2, 3)",
    "no await": "add(1, 2)",
    "a value that is no JSON": "{1, 2}",
    "a class": "class A: pass\nA()",
    "not a number": "float('nan')",
    "no Python": "def (",
}


@pytest.mark.parametrize("code", REFUSED.values(), ids=REFUSED)
async def test_what_was_not_granted_is_not_there(opened: Opened, host: Host, code: str) -> None:
    async with opened() as mode:
        outcome = await mode.run(code)
    assert outcome.error is not None
    assert outcome.error.code == "snippet_error"
    assert outcome.value is None
    assert host.calls == []


async def test_names_that_only_appear_while_it_runs_are_not_there_either(
    opened: Opened, host: Host
) -> None:
    code = "try:\n    await eval('send')('x')\nexcept NameError as e:\n    r = str(e)\nr"
    async with opened() as mode:
        outcome = await mode.run(code)
    assert outcome.error is not None or "send" in str(outcome.value)
    assert host.calls == []


FLOODS = {
    "time": "while True: pass",
    "memory": "x = [1]\nwhile True: x = x + x",
    "a large text": "'x' * 10**9",
    "recursion": "def f(n): return f(n + 1)\nf(0)",
    "calls": "for n in range(1000): await add(n)",
    "calls at once": "import asyncio\nawait asyncio.gather(*[add(n) for n in range(1000)])",
    "caught calls": "while True:\n    try:\n        await add(1)\n    except BaseException: pass",
    "output": "while True: print('x' * 100)",
    "the snippet itself": "#" * 100_000,
}


@pytest.mark.parametrize("code", FLOODS.values(), ids=FLOODS)
async def test_floods_are_bounded_and_the_next_snippet_is_none_the_worse(
    opened: Opened, host: Host, code: str
) -> None:
    async with opened() as mode:
        outcome = await mode.run(code)
        assert outcome.error is not None
        assert outcome.error.code == "snippet_limit", outcome.error
        assert len(outcome.printed) <= LIMITS.output_bytes
        assert len(host.calls) <= LIMITS.calls
        assert (await mode.run("await add(20, 22)")).value == 42


async def test_large_results_and_arguments_stay_where_they_are(opened: Opened, host: Host) -> None:
    async with opened() as mode:
        result = await mode.run("'x' * 20_000")
        argument = await mode.run("await shop_find('x' * 20_000)")
    assert result.error is not None
    assert "more than 10,000 characters" in result.error.message
    assert argument.error is not None
    assert host.calls == []


async def test_nothing_survives_a_snippet(opened: Opened) -> None:
    async with opened() as mode:
        assert (await mode.run("x = 1\nx")).value == 1
        assert (await mode.run("x")).error is not None


async def test_cancelling_ends_the_calls_too(opened: Opened, host: Host) -> None:
    host.wait = 3600
    async with opened() as mode:
        running = asyncio.ensure_future(
            mode.run("import asyncio\nawait asyncio.gather(add(1), add(2))")
        )
        while host.at_once < 2:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert host.at_once == 0


async def test_snippets_at_once_do_not_see_each_other(opened: Opened, host: Host) -> None:
    host.wait = 0.02
    async with opened() as mode:
        code = "x = {0}\nfor n in range(3): x = await add(x, {0})\nx"
        outcomes = await asyncio.gather(*[mode.run(code.format(n)) for n in range(5)])
    assert [each.value for each in outcomes] == [n * 4 for n in range(5)]


PROGRAM = """
import asyncio
from treadle.tools import tool
from treadle.tools.codemode import CodeMode, stubs_of

@tool
async def add(a: int, b: int) -> int:
    return a + b

async def main():
    async with CodeMode(stubs_of([add]), lambda name, arguments: add.call(arguments)) as mode:
        print((await mode.run("await add(20, 22)")).value)

asyncio.run(main())
"""


@pytest.mark.timeout(150)  # processes that start take their time on a busy machine
def test_a_program_that_used_it_ends_in_order() -> None:
    # Threads of the interpreter's package that outlive Python abort the process now and then.
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_limits_are_above_nothing() -> None:
    for value in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ConfigError) as caught:
            CodeModeLimits(seconds=value)
        assert caught.value.code == "bad_code_mode"

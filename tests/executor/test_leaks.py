"""After a cancellation nothing is left: no task, no thread at work, no child process."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.crashing import elsewhere
from tests.executor.conftest import plan_of, step

from treadle import Agent, Runtime
from treadle.core.chat import ToolCall
from treadle.core.errors import ToolError
from treadle.core.events import RunFinished, StepFinished, StepStarted
from treadle.core.threads import _threads
from treadle.testing import ScriptedModel
from treadle.tools import RateLimit, Tool, tool

BOUND = 10
"""Generous: means that it does not hang."""


@dataclass
class Case:
    """A plan that never ends by itself, and its tools.

    begun: set when it is time to cancel.
    """

    tools: list[Any]
    steps: list[dict[str, Any]]
    begun: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    """Set when the run has ended: what a thread does then ends as well."""
    cleaned: bool | None = None
    """Whether a call had the time to clean up; None where none has to."""
    children: list[int] = field(default_factory=list)
    model: ScriptedModel = field(default_factory=lambda: ScriptedModel([]))


def hanging(case: Case, **options: Any) -> Tool:
    @tool(name="hang", **options)
    async def hang(x: int = 0) -> None:
        """Never end."""
        case.begun.set()
        await asyncio.Event().wait()

    return hang


def plain(case: Case, **options: Any) -> None:
    case.tools = [hanging(case, **options)]
    case.steps = [step("a", "hang"), step("b", "hang", "a")]


def guarded(**options: Any) -> Callable[[Case], None]:
    return lambda case: plain(case, **options)


def hedged(case: Case) -> None:
    calls = 0

    @tool(hedge=0.001)
    async def hang() -> None:
        """Never end, twice."""
        nonlocal calls
        calls += 1
        if calls == 2:
            case.begun.set()
        await asyncio.Event().wait()

    case.tools, case.steps = [hang], [step("a", "hang")]


def shared(case: Case) -> None:
    """Several wait for one call."""
    case.tools = [hanging(case, effect="pure", cache=60.0)]
    case.steps = [step(f"a{n}", "hang") for n in range(3)]


def queued(case: Case) -> None:
    """One call is under way, others wait for their turns."""
    case.tools = [hanging(case, rate=RateLimit(1, 30.0))]
    case.steps = [step(f"a{n}", "hang", x=n) for n in range(3)]


def many(case: Case) -> None:
    case.tools = [hanging(case)]
    case.steps = [step("f", "hang", for_each=list(range(1000)), x="${item}")]


def thread(case: Case) -> None:
    @tool
    def block() -> None:
        """Block."""
        case.begun.set()
        case.release.wait(BOUND)

    case.tools, case.steps = [block], [step(f"a{n}", "block") for n in range(3)]


def subprocess(case: Case) -> None:
    @tool
    async def spawn() -> None:
        """Run a program, and end it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import time; time.sleep(60)"
        )
        case.children.append(process.pid)
        case.begun.set()
        try:
            await process.wait()
        finally:
            process.kill()
            await process.wait()

    case.tools, case.steps = [spawn], [step("a", "spawn")]


def nested(case: Case) -> None:
    hang = hanging(case)

    @tool
    async def run_within() -> Any:
        """Run a plan within the run."""
        async with Runtime(
            model=ScriptedModel([]), tools=[hang], builtins=False, database=None
        ) as inner:
            plan = plan_of(*(step(f"i{n}", "hang", x=n) for n in range(3)))
            return (await inner.run(plan)).answer

    case.tools, case.steps = [run_within], [step("a", "run_within")]


def agent(case: Case) -> None:
    case.model = ScriptedModel([[ToolCall("c1", "hang", "{}")], "done"])
    case.tools = [
        Agent(name="clerk", instructions="Do it.", model=case.model, tools=[hanging(case)])
    ]
    case.steps = [step("a", "clerk", task="do it")]


def source(case: Case) -> None:
    @tool(name="source")
    async def numbers() -> AsyncIterator[int]:
        """Give a number, then hang."""
        yield 1
        await asyncio.Event().wait()

    case.tools = [numbers, hanging(case)]
    case.steps = [step("s", "source"), step("u", "hang", for_each="${s}", x="${item}")]


def source_in_a_thread(case: Case) -> None:
    @tool(name="source")
    def numbers() -> Iterator[int]:
        """Give a number, then block."""
        yield 1
        case.release.wait(BOUND)
        yield 2

    case.tools = [numbers, hanging(case)]
    case.steps = [step("s", "source"), step("u", "hang", for_each="${s}", x="${item}")]


def retrying(case: Case) -> None:
    @tool
    async def flaky(x: int = 0) -> None:
        """Fail."""
        case.begun.set()
        raise ToolError("flaky", "again", retryable=True)

    retry = {"attempts": 3, "delay": 3600, "max_delay": 3600}
    case.tools = [flaky]
    case.steps = [
        step("a", "flaky", retry=retry),
        step("b", "flaky", for_each=[1, 2], x="${item}", retry=retry),
    ]


def cleaning(case: Case) -> None:
    """A tool that needs a moment to clean up."""

    @tool
    async def tidy() -> None:
        """Never end."""
        case.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                await asyncio.sleep(0.001)
            case.cleaned = True

    case.cleaned = False
    case.tools, case.steps = [tidy], [step("a", "tidy")]


def grouping(case: Case) -> None:
    """A tool with tasks of its own."""

    @tool
    async def gather() -> None:
        """Wait in several tasks."""
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(asyncio.Event().wait())
            case.begun.set()

    case.tools, case.steps = [gather], [step("a", "gather")]


CASES: dict[str, Callable[[Case], None]] = {
    "async": plain,
    "thread": thread,
    "subprocess": subprocess,
    "nested run": nested,
    "agent": agent,
    "fan-out": many,
    "stream": source,
    "stream in a thread": source_in_a_thread,
    "pause before a retry": retrying,
    "cached": guarded(effect="pure", cache=60.0),
    "shared": shared,
    "slowed down": queued,
    "hedged": hedged,
    "cleanup": cleaning,
    "task group": grouping,
}


def at_work() -> set[threading.Thread]:
    """The threads of calls that are not idle."""
    return {
        each
        for each in threading.enumerate()
        if each.name == "treadle-call" and each not in _threads.idle
    }


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND):
        while not holds():
            await asyncio.sleep(0.001)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("journaled", [False, True], ids=["memory", "sqlite"])
@pytest.mark.parametrize("name", CASES)
async def test_nothing_is_left_after_a_cancellation(
    name: str, journaled: bool, tmp_path: Path
) -> None:
    tasks, threads = asyncio.all_tasks(), at_work()
    case = Case([], [])
    CASES[name](case)
    async with Runtime(
        model=case.model,
        tools=case.tools,
        builtins=False,
        database=f"sqlite:///{tmp_path}/runs.db" if journaled else None,
        artifacts=tmp_path / "artifacts",
    ) as runtime:
        async with runtime.stream(plan_of(*case.steps)) as stream:
            await until(case.begun.is_set)
            stream.cancel()
            async with asyncio.timeout(BOUND):
                await stream.ended()
        assert stream.result.status == "cancelled"
        assert {each.status for each in stream.result.steps} == {"cancelled"}
        case.release.set()
        await until(lambda: at_work() <= threads)
        assert all(is_gone(pid) for pid in case.children)
        assert case.cleaned is not False
    await until(lambda: asyncio.all_tasks() <= tasks)


@pytest.mark.parametrize(
    "name", ["async", "nested run", "agent", "stream", "hedged", "subprocess", "cleanup"]
)
async def test_nothing_is_left_when_the_task_of_a_run_is_cancelled(name: str) -> None:
    tasks = asyncio.all_tasks()
    case = Case([], [])
    CASES[name](case)
    async with Runtime(
        model=case.model, tools=case.tools, builtins=False, database=None
    ) as runtime:
        running = asyncio.create_task(runtime.run(plan_of(*case.steps)))
        await until(case.begun.is_set)
        running.cancel()
        async with asyncio.timeout(BOUND):
            await asyncio.wait((running,))
        assert running.cancelled()
        assert all(is_gone(pid) for pid in case.children)
        assert case.cleaned is not False
    await until(lambda: asyncio.all_tasks() <= tasks)


async def test_nothing_is_left_of_an_approval_that_is_pending() -> None:
    tasks, asked = asyncio.all_tasks(), asyncio.Event()

    async def approve(request: Any) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    @tool(effect="irreversible")
    async def mail() -> None:
        """Send it."""

    async with (
        Runtime(
            model=ScriptedModel([]), tools=[mail], builtins=False, database=None, approve=approve
        ) as runtime,
        runtime.stream(plan_of(step("m", "mail"))) as stream,
    ):
        async with asyncio.timeout(BOUND):
            await asked.wait()
            stream.cancel()
            await stream.ended()
    assert stream.result.status == "cancelled"
    await until(lambda: asyncio.all_tasks() <= tasks)


def begin_and_leave(url: str, folder: Path) -> None:
    """Begin a run and let the loop end under it."""
    case = Case([], [])
    plain(case)

    async def main() -> None:
        runtime = Runtime(
            model=case.model,
            tools=case.tools,
            builtins=False,
            database=url,
            artifacts=folder,
            new_id=lambda: "run-1",
        )
        running = asyncio.create_task(runtime.run(plan_of(*case.steps)))
        await until(case.begun.is_set)
        assert not running.done()

    asyncio.run(main())


async def test_a_loop_that_ends_under_a_run_fails_none_of_its_steps(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    await asyncio.to_thread(elsewhere, begin_and_leave, url, tmp_path / "artifacts")
    async with Runtime(
        model=ScriptedModel([]), builtins=False, database=url, artifacts=tmp_path / "artifacts"
    ) as runtime:
        assert runtime.journal is not None
        events = await runtime.journal.events("run-1")
    ends = [event.status for event in events if isinstance(event, StepFinished | RunFinished)]
    assert set(ends) <= {"cancelled"}
    assert any(isinstance(event, StepStarted) for event in events)

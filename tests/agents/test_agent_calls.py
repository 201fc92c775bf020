"""The calls of agents go under the limits of the run, and their effects are on record first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.agents.conftest import SECONDS, plan, runtime, step

from treadle import Agent, Plan, approve_all, tool
from treadle.core.budget import Budget
from treadle.core.chat import ToolCall
from treadle.core.database import DatabaseUrl
from treadle.core.errors import ToolError
from treadle.core.events import ToolCalled, ToolStarted
from treadle.executor import RunResult
from treadle.executor.journal import Journal
from treadle.testing import ScriptedModel, ToolCalls
from treadle.tools.limits import CircuitBreaker

HELP = plan(step("h", "helper", task="go"), answer="${h}")


def wants(*names: str, **arguments: Any) -> ToolCalls:
    text = json.dumps(arguments)
    return ToolCalls([ToolCall(f"c{n}", name, text) for n, name in enumerate(names)])


def helper(tools: Sequence[Any], *replies: Any, name: str = "helper") -> Agent:
    return Agent(name, "You help.", model=ScriptedModel(list(replies)), tools=tools)


class Counted:
    """A pure tool with a cache, and one that fails until its circuit opens."""

    def __init__(self) -> None:
        self.looks = self.failures = 0

        @tool(effect="pure", cache=60)
        async def look(x: int) -> int:
            """Look."""
            self.looks += 1
            await asyncio.sleep(0)
            return x

        @tool(circuit=CircuitBreaker(failures=2, seconds=60))
        async def fail() -> None:
            """Fail."""
            self.failures += 1
            raise ToolError("down", "it is down", retryable=True)

        self.look, self.fail = look, fail


async def test_agents_and_steps_share_results_and_circuits() -> None:
    counted = Counted()
    made = helper(
        [counted.look, counted.fail], wants("look", "look", x=1), wants("fail"), wants("fail"), "ok"
    )
    document = plan(
        step("a", "look", x=1),
        {**step("h", "helper", task="go"), "after": ["a"]},
        {**step("f", "fail"), "after": ["h"]},
        answer="${h}",
    )
    async with runtime([], [made, counted.look, counted.fail]) as rt:
        result = await rt.run(Plan.from_wire(document))
    assert counted.looks == 1
    assert counted.failures == 2
    assert {each.id: each.error and each.error.code for each in result.steps} == {
        "a": None,
        "h": None,
        "f": "circuit_open",
    }


async def test_outside_of_a_run_an_agent_has_limits_of_its_own() -> None:
    counted = Counted()
    made = helper([counted.look], wants("look", "look", x=1), "one", wants("look", x=1), "two")
    assert (await made.run("go")).text == "one"
    assert (await made.run("go")).text == "two"
    assert counted.looks == 1


async def test_an_agent_in_a_thread_of_a_run_is_recorded_and_counted_there() -> None:
    counted = Counted()

    @tool
    def in_thread() -> str:
        """Run an agent in a thread."""
        made = helper([counted.look], wants("look", x=1), "done")
        return asyncio.run(made.run("go")).text

    document = plan(step("t", "in_thread"), answer="${t}")
    async with runtime([], [in_thread], budget=Budget(steps=2)) as rt:
        result = await rt.run(Plan.from_wire(document))
    assert result.answer == "done"
    assert result.usage.calls == 2
    assert [event.tool for event in result.events if isinstance(event, ToolCalled)] == ["look"]
    assert [event.seq for event in result.events] == list(range(len(result.events)))


class Mail:
    """An effect that is seen from outside, and what was on the disk when it happened."""

    def __init__(self, url: str | None = None, *, hold: bool = False) -> None:
        self.sent: list[str] = []
        self.kept: list[str] = []
        self.held = asyncio.Event()

        @tool(effect="irreversible")
        async def mail(to: str) -> str:
            """Send a mail."""
            if url is not None:
                journal = Journal(DatabaseUrl.parse(url))
                events = await journal.events("run-1")
                await journal.close()
                self.kept += [type(event).__name__ for event in events]
            self.sent.append(to)
            if hold:
                self.held.set()
                await asyncio.Event().wait()
            return "sent"

        self.tool = mail


async def test_the_intent_is_on_the_disk_before_the_effect(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    mail = Mail(url)
    made = helper([mail.tool], wants("mail", to="ann"), wants("mail", too="bob"), "done")
    options: Any = {"database": url, "artifacts": tmp_path / "kept", "new_id": lambda: "run-1"}
    async with runtime([], [made], approve=approve_all, **options) as rt:
        result = await rt.run(Plan.from_wire(HELP))
    assert mail.sent == ["ann"]
    assert mail.kept[-1] == "ToolStarted"
    kinds = [type(e).__name__ for e in result.events if isinstance(e, ToolStarted | ToolCalled)]
    # What could never be a call is no intent.
    assert kinds == ["ToolStarted", "ToolCalled", "ToolCalled"]


async def test_a_call_that_can_be_repeated_needs_no_intent() -> None:
    counted = Counted()
    made = helper([counted.look], wants("look", x=1), "done")
    async with runtime([], [made]) as rt:
        result = await rt.run(Plan.from_wire(HELP))
    assert not [event for event in result.events if isinstance(event, ToolStarted)]


async def test_an_agent_with_effects_that_was_cut_short_is_not_run_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    options: Any = {"database": url, "artifacts": tmp_path / "kept", "approve": approve_all}
    cut = Mail(hold=True)
    made = helper([cut.tool], wants("mail", to="ann"), "never")
    async with (
        runtime([], [made], new_id=lambda: "run-1", **options) as rt,
        asyncio.timeout(SECONDS),
        rt.stream(Plan.from_wire(HELP)) as running,
    ):
        await cut.held.wait()
        running.cancel()
        await running.ended()
    first: RunResult = running.result
    started = [event for event in first.events if isinstance(event, ToolStarted)]
    assert [event.arguments.value for event in started] == [{"to": "ann"}]
    assert not [event for event in first.events if isinstance(event, ToolCalled)]

    again = Mail()
    made = helper([again.tool], wants("mail", to="ann"), "done")
    async with runtime([], [made], **options) as rt:
        resumed = await rt.resume("run-1", accept_changes=True)
        assert resumed.status == "waiting"
        assert [each.error and each.error.code for each in resumed.steps] == ["in_doubt"]
        assert again.sent == []
        redone = await rt.resume("run-1", accept_changes=True, redo=["h"])
    assert redone.answer == "done"
    assert again.sent == ["ann"]

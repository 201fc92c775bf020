"""A dry run reaches the runs within it: nothing is changed there either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.agents.conftest import plan, runtime, step

from treadle import Agent, Plan, Runtime, tool
from treadle.core.chat import ToolCall
from treadle.executor.approval import approve_all
from treadle.testing import ScriptedModel


class World:
    """What was really done, and what was only played."""

    def __init__(self) -> None:
        self.done: list[str] = []

        @tool(effect="irreversible", mock=lambda to: f"would send to {to}")
        async def send(to: str) -> str:
            """Send a mail."""
            self.done.append(to)
            return f"sent to {to}"

        @tool(effect="write")
        async def write(text: str) -> str:
            """Write a text."""
            self.done.append(text)
            return text

        self.tools: list[Any] = [send, write]


SEND = plan(step("s", "send", to="ann"), answer="${s}")


def within(world: World, how: str, inner: Runtime) -> tuple[list[Any], dict[str, Any]]:
    """The tools of the outer Runtime, and its plan."""
    if how == "plan":
        return [inner.as_tool("sub", "Sends.", plan=Plan.from_wire(SEND))], {}
    return [inner.as_tool("sub", "Sends.", effect="read" if how == "read" else None)], {
        "task": "send it"
    }


@pytest.mark.parametrize("journaled", [False, True])
@pytest.mark.parametrize("how", ["plan", "task", "read"])
async def test_a_run_within_is_played(how: str, journaled: bool, tmp_path: Path) -> None:
    world = World()
    options: dict[str, Any] = {}
    if journaled:
        options["database"] = f"sqlite:///{tmp_path / 'runs.db'}"
    async with runtime([SEND], tools=world.tools) as inner:
        tools, given = within(world, how, inner)
        async with runtime([], tools=tools, dry_run=True, **options) as outer:
            document = plan(step("a", "sub", **given), answer="${a}")
            result = await outer.run(Plan.from_wire(document))
    assert (result.status, result.answer) == ("succeeded", "would send to ann")
    assert world.done == []


async def test_what_has_no_mock_is_refused_within() -> None:
    world = World()
    inside = plan(step("w", "write", text="x"), answer="${w}")
    async with runtime([], tools=world.tools) as inner:
        sub = inner.as_tool("sub", "Writes.", plan=Plan.from_wire(inside))
        async with runtime([], tools=[sub], dry_run=True) as outer:
            result = await outer.run(Plan.from_wire(plan(step("a", "sub"), answer="${a}")))
    assert result.status == "failed"
    assert "no_mock" in str(result.error)
    assert world.done == []


async def test_an_agent_within_a_run_within_is_played() -> None:
    world = World()
    agent = Agent("mailer", "Mail.", tools=world.tools)
    model = ScriptedModel([[ToolCall("1", "send", '{"to": "bob"}')], "done"])
    inside = plan(step("m", "mailer", task="mail bob"), answer="${m}")
    async with runtime([], model=model, tools=[agent]) as inner:
        sub = inner.as_tool("sub", "Mails.", plan=Plan.from_wire(inside))
        async with runtime([], tools=[sub], dry_run=True) as outer:
            result = await outer.run(Plan.from_wire(plan(step("a", "sub"), answer="${a}")))
    assert (result.status, result.answer) == ("succeeded", "done"), result.error
    assert world.done == []


async def test_outside_of_a_dry_run_the_same_tool_does_it() -> None:
    world = World()
    async with runtime([], tools=world.tools) as inner:
        sub = inner.as_tool("sub", "Sends.", plan=Plan.from_wire(SEND))
        async with runtime([], tools=[sub], approve=approve_all) as outer:
            result = await outer.run(Plan.from_wire(plan(step("a", "sub"), answer="${a}")))
    assert result.answer == "sent to ann"
    assert world.done == ["ann"]

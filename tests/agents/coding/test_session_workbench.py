"""Acting in sessions that go on, behind the real boundary of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.agents.coding.conftest import BareRunner, python

from treadle.agents.coding import CodeAgent
from treadle.agents.coding.executions import Executions
from treadle.agents.coding.reply import Action
from treadle.agents.coding.session_workbench import SessionWorkbench, session_boundary
from treadle.core.budget import Budget
from treadle.testing import ScriptedModel
from treadle.tools.sandbox import Sandbox
from treadle.tools.sandbox.contract import SandboxLimits
from treadle.tools.sandbox.sessions import SessionLimits
from treadle.tools.sandbox.warm.guest_process import HostedBoundary

pytestmark = pytest.mark.timeout(180)  # a session begins and ends with processes of its own

GOOD = python("def add(a, b): return a + b")
Opened = Callable[..., Awaitable[SessionWorkbench]]


@pytest.fixture
async def boundary() -> HostedBoundary:
    found = await session_boundary(Sandbox(), None)
    if found is None:
        pytest.skip("NO SESSIONS WITH A FULL BOUNDARY ON THIS MACHINE")
    return found


@pytest.fixture
async def open_(boundary: HostedBoundary) -> AsyncIterator[Opened]:
    made: list[SessionWorkbench] = []

    async def opened(
        seconds: float = 10, session_limits: SessionLimits | None = None, **files: str
    ) -> SessionWorkbench:
        executions = Executions(Sandbox(), limits=SandboxLimits(seconds=seconds))
        bench = SessionWorkbench(executions, boundary, files, session_limits=session_limits)
        made.append(bench)
        return bench

    yield opened
    for each in made:
        await each.close()


async def test_state_survives_from_one_action_to_the_next(open_: Opened) -> None:
    bench = await open_()
    await bench.act(Action("python", "x = 20"))
    assert "value: 41" in await bench.act(Action("python", "2 * x + 1"))
    await bench.act(Action("bash", "mkdir -p deep/er && cd deep/er && greeting=hello"))
    assert "hello from er" in await bench.act(Action("bash", 'echo "$greeting from ${PWD##*/}"'))
    await bench.act(Action("sql", "create table t(x); insert into t values (5), (6);"))
    assert "total\n11" in await bench.act(Action("sql", "select sum(x) as total from t"))
    assert "exit code 1" in await bench.act(Action("python", "1 / 0"))
    assert "value: 20" in await bench.act(Action("python", "x"))


async def test_files_are_there_for_python_and_bash(open_: Opened) -> None:
    bench = await open_(**{"data/in.txt": "seven"})
    assert "seven" in await bench.act(Action("python", "print(open('data/in.txt').read())"))
    assert "seven" in await bench.act(Action("bash", "cat data/in.txt"))


async def test_a_session_that_ended_is_opened_anew_and_that_is_said(open_: Opened) -> None:
    bench = await open_(**{"in.txt": "seven"})
    await bench.act(Action("python", "x = 1"))
    died = await bench.act(Action("python", "import os; os._exit(3)"))
    assert "the session has ended" in died
    after = await bench.act(Action("python", "print('x' in globals(), open('in.txt').read())"))
    assert "This is a new one: the variables and files of the earlier one are gone" in after
    assert "False seven" in after
    again = await bench.act(Action("python", "1"))
    assert "new one" not in again


async def test_one_that_ended_while_nobody_looked_runs_the_action_once(open_: Opened) -> None:
    bench = await open_(session_limits=SessionLimits(calls=1))
    await bench.act(Action("python", "x = 1"))
    told = await bench.act(Action("python", "print('ran')"))
    assert "it had all its calls" in told
    assert told.count("ran") == 1


async def test_every_action_has_its_own_seconds(open_: Opened) -> None:
    bench = await open_(seconds=3)
    await bench.act(Action("python", "x = 1"))
    late = await bench.act(Action("python", "while True: pass"))
    assert "ended: timeout" in late
    assert "value: 1" in await bench.act(Action("python", "x"))


async def test_a_session_is_no_way_out(open_: Opened) -> None:
    bench = await open_()
    for kind, code in (
        ("python", "print(open('/etc/shadow').read())"),
        ("bash", "cat /etc/shadow; echo > /usr/x; curl -s -m 2 http://169.254.169.254/"),
        ("python", "import socket; socket.create_connection(('1.1.1.1', 53), 1)"),
    ):
        told = await bench.act(Action(kind, code))  # type: ignore[arg-type]
        assert "root:" not in told
        assert "ended: error" in told


@pytest.mark.usefixtures("boundary")
async def test_the_agent_uses_sessions_and_they_end_with_it() -> None:
    replies = ["```run python\nx = 21\n```", "```run python\nx * 2\n```", GOOD]
    model = ScriptedModel(replies)
    agent = CodeAgent(model=model)
    result = (
        await agent.run(
            "add two numbers", tests="from solution import add\nassert add(1, 2) == 3\n"
        )
    ).output
    told = [request.messages[-1].content for request in model.requests]
    assert "value: 42" in told[2]
    assert "are three sessions" in model.requests[0].messages[0].content
    assert (result.evidence.actions, result.evidence.executions) == (2, 3)
    assert result.evidence.level in ("strict", "user")


@pytest.mark.usefixtures("boundary")
async def test_actions_in_sessions_count_in_the_budget() -> None:
    model = ScriptedModel(lambda request: f"```run python\n{len(request.messages)}\n```")
    agent = CodeAgent(model=model, budget=Budget(steps=3))
    with pytest.raises(Exception, match="budget_exceeded"):
        await agent.run("add two numbers")


async def test_where_sessions_are_not_to_be_had_files_are_carried(runner: BareRunner) -> None:
    assert await session_boundary(runner, None) is None
    model = ScriptedModel(
        ["```bash\necho 4 > n\n```", "```run python\nopen('n').read()\n```", GOOD]
    )
    await CodeAgent(model=model, sandbox=runner).run("add two numbers")
    assert "only files survive" in model.requests[0].messages[0].content

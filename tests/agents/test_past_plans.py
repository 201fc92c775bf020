"""Past runs teach the next process which tools belong together."""

import asyncio
from pathlib import Path
from typing import Any

from tests.crashing import SECONDS

from treadle import Plan, Runtime, Tool, tool
from treadle.agents.runs.past_plans import past_plans
from treadle.core.database import Database, DatabaseUrl
from treadle.planner.shown_tools import MOST_SHOWN, PastPlan
from treadle.testing import ScriptedModel


def named(name: str, description: str) -> Tool:
    @tool(name=name, description=description, effect="pure")
    def one(text: str) -> str:
        if text == "fail":
            raise ValueError(text)
        return text

    return one


MANY = [
    *(named(f"filler_{i}", f"Filler number {i}.") for i in range(MOST_SHOWN + 40)),
    named("weather_forecast", "The weather of the next days in a city."),
    named("send_letter", "Posts something on paper."),
]


def plan(*tools: str, text: str = "x") -> Plan:
    steps: Any = [
        {"id": f"s{i}", "tool": name, "args": {"text": text}} for i, name in enumerate(tools)
    ]
    return Plan.from_wire({"steps": steps, "answer": "done"})


def opened(url: str, folder: Path, *replies: Any) -> tuple[Runtime, ScriptedModel]:
    model = ScriptedModel(list(replies))
    return (
        Runtime(model=model, tools=MANY, builtins=False, database=url, artifacts=folder),
        model,
    )


async def test_a_pair_of_tools_of_past_plans_is_shown_together(
    database_url: str, tmp_path: Path
) -> None:
    pair = ("weather_forecast", "send_letter")
    runtime, _ = opened(database_url, tmp_path)
    async with asyncio.timeout(SECONDS), runtime:
        for _ in range(3):
            assert (await runtime.run(plan(*pair))).status == "succeeded"
        assert (await runtime.run(plan("filler_99", text="fail"))).status == "failed"
    asked = plan("weather_forecast").wire()
    new, model = opened(database_url, tmp_path, asked, asked)
    async with asyncio.timeout(SECONDS), new:
        await new.run("Tell me the weather of Rome.")
        await new.learned()
        await new.run("Tell me the weather of Rome.")
    before, after = (each.messages[0].content for each in model.requests)
    assert '"weather_forecast"' in before
    assert '"send_letter"' not in before  # no run waits for what is to be learned
    assert '"send_letter"' in after


async def test_only_what_worked_is_learned_and_only_so_much(
    database_url: str, tmp_path: Path
) -> None:
    runtime, _ = opened(database_url, tmp_path, plan("filler_3").wire())
    async with asyncio.timeout(SECONDS), runtime:
        await runtime.run(plan("filler_1", "filler_2"))
        await runtime.run(plan("filler_1", "filler_9", text="fail"))
        await runtime.run("do it")
    database = Database(DatabaseUrl.parse(database_url))
    try:
        found = await past_plans(database)
        assert {frozenset(each.tools) for each in found} == {
            frozenset({"filler_1", "filler_2"}),
            frozenset({"filler_3"}),
        }
        assert PastPlan(("filler_3",), "do it") in found
        assert await past_plans(database, runs=0) == []
        assert len(await past_plans(database, runs=1)) == 1
    finally:
        await database.close()

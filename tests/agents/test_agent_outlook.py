"""What the serving layer is told while an agent works."""

from __future__ import annotations

from treadle import Agent, Plan, Runtime, tool
from treadle.core.chat import ToolCall
from treadle.core.json_value import JsonValue
from treadle.core.program import ProgramHint
from treadle.testing import ScriptedModel, ToolCalls

STEPS: list[JsonValue] = [
    {"id": "a", "tool": "helper", "args": {"task": "x"}},
    {"id": "sum", "tool": "add", "args": {"a": 1, "b": 2}, "after": ["a"]},
    {"id": "b", "tool": "helper", "args": {"task": "y"}, "after": ["sum"]},
]
ONE: JsonValue = {"steps": STEPS[:1], "answer": "${a}"}
PLAN = Plan.from_wire({"steps": STEPS, "answer": "${b}"})


@tool
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def turns(number: int) -> list[ToolCalls | str]:
    """So many calls: all but the last want a tool."""
    wish = ToolCalls([ToolCall("1", "add", '{"a": 1, "b": 1}')])
    return [*([wish] * (number - 1)), "done"]


def hints(model: ScriptedModel, since: int) -> list[ProgramHint]:
    return [each.hint for each in model.requests[since:] if each.hint is not None]


async def test_how_many_calls_an_agent_makes_is_learned_and_its_last_is_never_named() -> None:
    model = ScriptedModel(turns(3) * 5)
    agents = [Agent("helper", "You help.", model=model, tools=[add])]
    async with Runtime(model=ScriptedModel([]), tools=[*agents, add], builtins=False) as runtime:
        first = await runtime.run(Plan.from_wire(ONE))
        await runtime.run(PLAN)
        before = len(model.requests)
        result = await runtime.run(PLAN)
    assert (first.status, result.status) == ("succeeded", "succeeded")
    # Nobody knows how long an agent goes on that was never seen.
    assert [hint.remaining_calls for hint in hints(model, 0)[:3]] == [None] * 3
    told = hints(model, before)
    assert [hint.step_id for hint in told] == ["a"] * 3 + ["b"] * 3
    assert [hint.remaining_calls for hint in told] == [5, 4, 3, 2, 1, 0]
    assert not any(hint.last_call for hint in told)
    assert {hint.next_tool for hint in told} == {None}


async def test_what_the_tools_of_an_agent_take_is_learned() -> None:
    model = ScriptedModel(turns(2))
    agents = [Agent("helper", "You help.", model=model, tools=[add])]
    plan = Plan.from_wire(ONE)
    async with Runtime(model=ScriptedModel([]), tools=agents, builtins=False) as runtime:
        durations = runtime._opening.durations
        before = durations.expected_seconds("add")
        await runtime.run(plan)
        assert durations.expected_seconds("add") < before

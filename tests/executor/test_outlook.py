"""What a model call inside a step is told about the rest of the run."""

from __future__ import annotations

import pytest
from tests.executor.conftest import Driver, execute, plan_of, step

from treadle.core.budget import Budget
from treadle.core.call_counts import CallCounts
from treadle.core.chat import ChatRequest, Message
from treadle.core.durations import ToolDurations
from treadle.core.model_call import call_model
from treadle.core.program import ProgramHint
from treadle.executor.step_key import call_pattern
from treadle.testing import ScriptedModel
from treadle.tools import Tool, tool


class Asking:
    """A tool that asks a model, and the hints that the model got, by step."""

    def __init__(self) -> None:
        self._model = ScriptedModel(lambda request: "said")
        request = ChatRequest((Message("user", "hello"),))

        @tool(calls_model=True)
        async def ask() -> str:
            return (await call_model(self._model, request, purpose="step")).text

        @tool
        async def search() -> str:
            return "found"

        self.tools: list[Tool] = [ask, search]

    @property
    def hints(self) -> dict[str, ProgramHint]:
        found = (request.hint for request in self._model.requests)
        return {str(hint.step_id): hint for hint in found if hint is not None}


async def test_what_follows_is_taken_from_the_plan() -> None:
    durations = ToolDurations()
    durations.observe("ask", 2.0)
    durations.observe("search", 5.0)
    asking = Asking()
    plan = plan_of(
        step("first", "ask"),
        step("look", "search", "first"),
        step("second", "ask", "look"),
        step("third", "ask", "second"),
        answer="${third}",
    )
    await execute(plan, asking.tools, durations=durations, max_parallel=1)
    first, second, third = (asking.hints[name] for name in ("first", "second", "third"))
    assert first.program_id == "run"
    assert first.purpose == "step"
    assert first.next_tool == "search"
    assert first.next_tool_seconds == pytest.approx(5.0)
    assert first.remaining_calls == 2
    assert first.remaining_seconds is not None
    assert first.remaining_seconds == pytest.approx(9.0)
    assert not first.last_call
    assert (second.next_tool, second.remaining_calls) == ("ask", 1)
    assert not second.last_call
    assert (third.next_tool, third.remaining_calls, third.last_call) == (None, 0, True)


async def test_no_call_is_the_last_while_the_plan_is_still_being_written() -> None:
    asking = Asking()
    plan = plan_of(step("a", "ask"), step("b", "ask", "a"), answer="${b}")
    driver = Driver(asking.tools)
    driver.execution.add(plan["a"])
    await driver.execution.settle()
    driver.execution.add(plan["b"])
    driver.execution.seal(plan)
    await driver.end()
    assert not asking.hints["a"].last_call
    assert asking.hints["b"].last_call


async def test_a_branch_that_will_still_call_keeps_the_others_from_being_last() -> None:
    asking = Asking()
    plan = plan_of(
        step("a", "ask"), step("look", "search"), step("b", "ask", "look"), answer="${b}"
    )
    await execute(plan, asking.tools, max_parallel=1)
    assert not asking.hints["a"].last_call
    assert asking.hints["b"].last_call


async def test_skipped_and_failed_steps_do_not_count_as_calls_to_come() -> None:
    asking = Asking()
    plan = plan_of(
        step("a", "ask"),
        step("b", "ask", "a", when="false"),
        step("c", "ask", "b"),
        step("d", "ask", "a"),
        answer="${d}",
    )
    await execute(plan, asking.tools)
    assert asking.hints["d"].remaining_calls == 0
    assert asking.hints["d"].last_call


async def test_a_fan_out_tells_of_the_items_that_are_still_to_come() -> None:
    asking = Asking()
    plan = plan_of(step("all", "ask", for_each=[1, 2, 3]), answer="${all}")
    await execute(plan, asking.tools, max_parallel=1)
    hints = [request.hint for request in asking._model.requests]
    assert [hint.last_call for hint in hints if hint is not None] == [False, False, True]
    assert [hint.remaining_calls for hint in hints if hint is not None] == [2, 1, 0]


async def test_no_step_is_the_last_call_when_the_joiner_must_write_the_answer() -> None:
    asking = Asking()
    await execute(plan_of(step("a", "ask")), asking.tools)
    assert not asking.hints["a"].last_call


async def test_parallel_calls_are_told_apart_by_their_step() -> None:
    asking = Asking()
    await execute(plan_of(*(step(f"s{n}", "ask") for n in range(5))), asking.tools)
    assert set(asking.hints) == {f"s{n}" for n in range(5)}


async def test_how_many_calls_a_step_makes_is_learned() -> None:
    model = ScriptedModel(lambda request: "said")
    request = ChatRequest((Message("user", "hello"),))

    @tool(calls_model=True)
    async def ask_thrice() -> str:
        replies = [await call_model(model, request, purpose="step") for _ in range(3)]
        return replies[-1].text

    @tool
    async def search() -> str:
        return "found"

    counts = CallCounts()
    plan = plan_of(
        step("a", "ask_thrice"),
        step("look", "search", "a"),
        step("b", "ask_thrice", "look"),
        answer="${b}",
    )
    await execute(plan, [ask_thrice, search], call_counts=counts)
    model.requests.clear()
    await execute(plan, [ask_thrice, search], call_counts=counts)
    hints = [request.hint for request in model.requests if request.hint is not None]
    assert [hint.remaining_calls for hint in hints] == [5, 4, 3, 2, 1, 0]
    assert [hint.next_tool for hint in hints] == [None, None, "search", None, None, None]
    assert [hint.last_call for hint in hints] == [False] * 5 + [True]
    left = [hint.remaining_seconds for hint in hints if hint.remaining_seconds is not None]
    assert len(left) == 6
    assert left == sorted(left, reverse=True)


async def test_the_pattern_of_the_next_tool_is_that_of_its_arguments_where_they_are_known() -> None:
    asking = Asking()

    @tool
    async def look(text: str) -> str:
        return text

    durations = ToolDurations()
    for _ in range(10):
        durations.observe("look", 4.0, call_pattern({"text": "plain"}))
        durations.observe("look", 400.0, "another")
    plan = plan_of(
        step("a", "ask"),
        step("known", "look", "a", text="plain"),
        step("b", "ask", "known"),
        step("unknown", "look", text="${b}"),
        answer="${unknown}",
    )
    await execute(plan, [*asking.tools, look], durations=durations)
    first, second = asking.hints["a"], asking.hints["b"]
    assert first.next_tool_pattern == call_pattern({"text": "plain"})
    assert first.next_tool_seconds == pytest.approx(4.0)
    assert (second.next_tool, second.next_tool_pattern) == ("look", None)


async def test_the_time_that_the_budget_leaves_is_the_deadline() -> None:
    asking = Asking()
    await execute(plan_of(step("a", "ask")), asking.tools, budget=Budget(seconds=1000))
    await execute(plan_of(step("b", "ask")), asking.tools)
    deadline = asking.hints["a"].deadline_seconds
    assert deadline is not None
    assert 900 < deadline <= 1000
    assert asking.hints["b"].deadline_seconds is None

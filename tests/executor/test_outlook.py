"""What a model call inside a step is told about the rest of the run."""

from __future__ import annotations

import pytest
from tests.executor.conftest import Driver, execute, plan_of, step

from treadle.core.chat import ChatRequest, Message
from treadle.core.durations import DurationHistory
from treadle.core.model_call import call_model
from treadle.core.program import ProgramHint
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
    durations = DurationHistory()
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

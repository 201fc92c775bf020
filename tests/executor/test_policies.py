"""What a failure means for the run, and which calls are tried again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.executor.conftest import Driver, Outcome, execute, plan_of, step

from treadle.core.errors import ToolError
from treadle.core.events import StepDropped, StepFinished, StepRetrying, StepStarted
from treadle.executor.node import State
from treadle.planner import PlanPatch
from treadle.planner.step import Retry
from treadle.tools import Effect, Tool, tool


@tool(effect="pure")
async def give(value: Any = 1) -> Any:
    return value


@tool
async def boom() -> Any:
    raise ToolError("broken", "it broke")


def failing(times: int, *, retryable: bool = True, effect: str = "read") -> tuple[Tool, list[int]]:
    """A tool that fails so often and then works."""
    calls: list[int] = []

    @tool(effect=effect, name="flaky")
    async def flaky() -> int:
        calls.append(len(calls))
        if len(calls) <= times:
            raise ToolError("flaky", "try again", retryable=retryable)
        return len(calls)

    return flaky, calls


async def one_failure(policy: str) -> Outcome:
    return await execute(
        plan_of(
            step("bad", "boom", on_failure=policy),
            step("below", "give", value="${bad}"),
            step("beside", "give"),
            step("beside_below", "give", "beside"),
            answer="${below}|${beside_below}",
        ),
        [give, boom],
    )


async def test_fail_ends_the_run_failed_after_unrelated_branches_have_finished() -> None:
    outcome = await one_failure("fail")
    assert outcome.state is State.FAILED
    assert outcome.statuses == {
        "bad": "failed",
        "below": "skipped",
        "beside": "succeeded",
        "beside_below": "succeeded",
    }
    assert outcome.code("bad") == "broken"
    assert outcome.code("below") == "dependency_failed"
    first = outcome.execution.graph.first_failure()
    assert first is not None
    assert (first.code, first.step_id) == ("broken", "bad")


async def test_skip_lets_the_run_succeed() -> None:
    outcome = await one_failure("skip")
    assert outcome.state is State.SUCCEEDED
    assert outcome.statuses["below"] == "skipped"
    assert outcome.execution.answer(_template("${below}|${beside}")) == (
        "(not available: dependency_failed)|1"
    )


async def test_value_hands_the_error_on_as_output() -> None:
    outcome = await one_failure("value")
    assert outcome.state is State.SUCCEEDED
    error = {"error": {"code": "broken", "message": "it broke"}}
    assert outcome.statuses["bad"] == "failed"
    assert outcome.steps["bad"].output == error
    assert outcome.steps["below"].output == error


async def test_a_condition_can_look_at_the_error_value() -> None:
    plan = plan_of(
        step("bad", "boom", on_failure="value"),
        step("mend", "give", value="mended", when="${bad.error.code} == 'broken'"),
    )
    assert (await execute(plan, [give, boom])).steps["mend"].output == "mended"


async def test_cancel_stops_everything_at_once() -> None:
    running = asyncio.Event()

    @tool
    async def forever() -> None:
        running.set()
        await asyncio.Event().wait()

    @tool
    async def fail_then() -> None:
        await running.wait()
        raise ToolError("broken", "it broke")

    plan = plan_of(
        step("a", "give"),
        step("long", "forever"),
        step("bad", "fail_then", on_failure="cancel"),
        step("later", "give", "long"),
    )
    outcome = await execute(plan, [give, forever, fail_then])
    assert outcome.state is State.FAILED
    assert outcome.statuses == {
        "a": "succeeded",
        "long": "cancelled",
        "bad": "failed",
        "later": "cancelled",
    }


def replanning(*extra: dict[str, Any]) -> Driver:
    driver = Driver([give, boom])
    driver.start(
        plan_of(
            step("good", "give"),
            step("bad", "boom", on_failure="replan"),
            step("below", "give", value="${bad}"),
            step("far", "give", value="${below}"),
            *extra,
        )
    )
    return driver


def _template(text: str) -> Any:
    from treadle.planner.reference import parse_value

    return parse_value(text)


async def patched(driver: Driver, **patch: Any) -> Outcome:
    execution = driver.execution
    await execution.settle()
    graph = execution.graph
    assert [node.step.id for node in graph.unresolved()] == ["bad"]
    assert graph.nodes["below"].state is State.BLOCKED
    wire = {"steps": [node.step.wire() for node in graph.nodes.values()]}
    plan = PlanPatch.from_wire(patch).apply(plan_of(*wire["steps"]), graph.started())
    graph.resolve(graph.unresolved())
    execution.patch(plan)
    return await driver.end()


async def test_replan_goes_on_with_what_a_patch_adds_and_replaces() -> None:
    outcome = await patched(
        replanning(),
        add=[step("other", "give", value=7)],
        replace=[step("below", "give", value="${other}")],
    )
    assert outcome.state is State.SUCCEEDED
    assert outcome.steps["far"].output == 7
    assert outcome.statuses["bad"] == "failed"
    assert len([e for e in outcome.events(StepStarted) if e.step_id == "good"]) == 1


async def test_replan_can_drop_steps() -> None:
    outcome = await patched(replanning(), drop=["below", "far"])
    assert outcome.state is State.SUCCEEDED
    assert set(outcome.statuses) == {"good", "bad"}
    assert {event.step_id for event in outcome.events(StepDropped)} == {"below", "far"}


async def test_what_a_patch_leaves_behind_the_failure_is_skipped() -> None:
    outcome = await patched(replanning(), add=[step("new", "give", "good")])
    assert outcome.statuses == {
        "good": "succeeded",
        "bad": "failed",
        "below": "skipped",
        "far": "skipped",
        "new": "succeeded",
    }


async def test_without_a_patch_the_run_has_failed() -> None:
    outcome = await replanning().end()
    assert outcome.state is State.FAILED
    assert outcome.code("far") == "dependency_failed"


@pytest.mark.parametrize("effect", ["pure", "read"])
async def test_a_repeatable_call_is_tried_again(effect: str) -> None:
    flaky, calls = failing(2, effect=effect)
    plan = plan_of(step("a", "flaky", retry={"attempts": 3, "delay": 0.001, "max_delay": 0.0015}))
    outcome = await execute(plan, [flaky])
    assert outcome.steps["a"].output == 3
    assert [(e.attempt, e.delay) for e in outcome.events(StepRetrying)] == [(1, 0.001), (2, 0.0015)]
    assert [event.attempt for event in outcome.events(StepStarted)] == [1, 2, 3]
    assert len(calls) == 3


@pytest.mark.parametrize("effect", ["write", "irreversible"])
async def test_a_call_that_changes_something_is_never_tried_again(effect: str) -> None:
    flaky, calls = failing(1, effect=effect)

    async def agree(request: object) -> bool:
        return True

    plan = plan_of(step("a", "flaky", retry={"attempts": 5, "delay": 0.001}))
    outcome = await execute(plan, [flaky], approve=agree)
    assert outcome.code("a") == "flaky"
    assert len(calls) == 1


async def test_an_error_that_will_come_again_is_not_tried_again() -> None:
    flaky, calls = failing(1, retryable=False)
    outcome = await execute(plan_of(step("a", "flaky", retry=5)), [flaky])
    assert outcome.code("a") == "flaky"
    assert len(calls) == 1


async def test_bad_arguments_are_not_tried_again() -> None:
    @tool(name="typed")
    async def typed(x: int) -> int:
        return x

    plan = plan_of(step("g", "give", value="text"), step("a", "typed", x="${g}", retry=5))
    outcome = await execute(plan, [give, typed])
    assert outcome.code("a") == "invalid_arguments"
    assert not outcome.events(StepRetrying)


async def test_attempts_run_out() -> None:
    flaky, calls = failing(9)
    retry = {"attempts": 3, "delay": 0.001}
    outcome = await execute(plan_of(step("a", "flaky", retry=retry)), [flaky])
    assert outcome.code("a") == "flaky"
    assert len(calls) == 3
    assert len(outcome.events(StepFinished)) == 1


async def test_a_pause_before_a_retry_holds_no_place() -> None:
    flaky, _ = failing(1)
    plan = plan_of(
        step("a", "flaky", retry={"attempts": 2, "delay": 0.3}),
        step("b", "give"),
        step("c", "give"),
    )
    outcome = await execute(plan, [flaky, give], max_parallel=1)
    ended = [event.step_id for event in outcome.events(StepFinished)]
    assert ended == ["b", "c", "a"]


async def test_a_timeout_is_tried_again() -> None:
    calls: list[int] = []

    @tool(timeout=0.05)
    async def slow_at_first() -> str:
        calls.append(1)
        if len(calls) == 1:
            await asyncio.Event().wait()
        return "done"

    plan = plan_of(step("a", "slow_at_first", retry={"attempts": 2, "delay": 0.001}))
    assert (await execute(plan, [slow_at_first])).steps["a"].output == "done"


def test_the_pauses_double_up_to_their_limit() -> None:
    retry = Retry(attempts=9, delay=0.5, max_delay=3.0)
    assert [retry.wait_before(attempt) for attempt in range(2, 7)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert Retry(attempts=100).wait_before(100) == 30.0


def test_only_pure_and_read_are_repeatable() -> None:
    assert [each for each in Effect if each.repeatable] == [Effect.PURE, Effect.READ]

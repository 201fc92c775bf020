"""One run from the task to the answer: plan, execute, join, replan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.agents.conftest import SECONDS, SUM, TOOLS, add, check_record, plan, runtime, step

from treadle import tool
from treadle.core.budget import Budget
from treadle.core.errors import ModelError
from treadle.core.events import (
    AnswerDelta,
    ApprovalRequested,
    ModelCalled,
    PlanningStarted,
    PlanReady,
    RepairRequested,
    RunStarted,
    StepDropped,
    StepPlanned,
    StepStarted,
)
from treadle.executor import ApprovalRequest, RunResult
from treadle.planner import Plan
from treadle.testing import FakeClock, ScriptedModel

FAILING = plan(
    step("a", "boom"), step("b", "add", a="${a}", b=2), step("c", "add", a=1, b=1), answer="${b}"
)


def replan(**patch: Any) -> dict[str, Any]:
    return {"action": "replan", "reason": "try otherwise", "patch": patch}


def answer(text: str) -> dict[str, Any]:
    return {"action": "answer", "answer": text}


async def run(*replies: Any, task: Any = "do it", **options: Any) -> RunResult:
    run_options = {
        name: options.pop(name) for name in ("output_type", "budget", "history") if name in options
    }
    options.setdefault("tools", TOOLS)
    async with runtime(list(replies), **options) as rt:
        result = await asyncio.wait_for(rt.run(task, **run_options), SECONDS)
    check_record(result)
    return result


def purposes(result: RunResult) -> list[str]:
    return [event.purpose for event in result.events if isinstance(event, ModelCalled)]


def statuses(result: RunResult) -> dict[str, str | None]:
    return {each.id: each.status for each in result.steps}


def code(result: RunResult) -> str | None:
    return None if result.error is None else result.error.code


async def test_a_plan_with_an_answer_needs_one_model_call() -> None:
    result = await run(SUM)
    assert (result.status, result.answer) == ("succeeded", "it is 5")
    assert purposes(result) == ["plan"]
    assert result.usage.calls == 1
    kinds = [type(event) for event in result.events]
    assert kinds[:2] == [RunStarted, PlanningStarted]
    assert kinds.index(AnswerDelta) == len(kinds) - 2


async def test_without_an_answer_in_the_plan_the_joiner_writes_it() -> None:
    result = await run(plan(step("a", "add", a=1, b=2)), answer("It is three."))
    assert result.answer == "It is three."
    assert purposes(result) == ["plan", "join"]
    deltas = [event.text for event in result.events if isinstance(event, AnswerDelta)]
    assert len(deltas) > 1
    assert "".join(deltas) == "It is three."


async def test_an_empty_plan_with_an_answer_is_an_answer() -> None:
    result = await run({"steps": [], "answer": "hello"})
    assert (result.status, result.answer, result.steps) == ("succeeded", "hello", ())


@pytest.mark.parametrize(
    ("task", "expected"),
    [("", "empty_task"), (" \n", "empty_task"), ("x" * 300_000, "task_too_long")],
)
async def test_a_task_that_cannot_be_planned_is_a_coded_failure(task: str, expected: str) -> None:
    result = await run(task=task)
    assert (result.status, code(result)) == ("failed", expected)


async def test_a_task_of_a_hundred_thousand_characters_is_planned() -> None:
    assert (await run(SUM, task="x" * 100_000)).status == "succeeded"


@pytest.mark.parametrize("reply", ["Sorry, I cannot.", "", "null", "[]", '{"steps": null}'])
async def test_a_model_that_gives_no_plan_is_a_coded_failure(reply: str) -> None:
    result = await run(reply, reply, reply)
    assert result.status == "failed"
    assert code(result) in {"no_plan", "bad_plan", "empty_plan"}
    assert purposes(result) == ["plan", "repair", "repair"]


async def test_a_model_that_cannot_be_reached_is_a_coded_failure() -> None:
    result = await run(ModelError("model_unreachable", "nobody there"))
    assert (result.status, code(result)) == ("failed", "model_unreachable")


async def test_a_model_that_fails_in_the_middle_of_the_plan_keeps_what_was_done() -> None:
    class Breaking(ScriptedModel):
        async def stream(self, request: Any) -> AsyncIterator[Any]:
            async for delta in super().stream(request):
                yield delta
                if getattr(delta, "text", "").endswith("}"):
                    break
            for _ in range(20):
                await asyncio.sleep(0)
            raise ModelError("model_unreachable", "gone")

    async with runtime([], model=Breaking([SUM], chunk=1)) as rt:
        result = await asyncio.wait_for(rt.run("x"), SECONDS)
    check_record(result)
    assert (result.status, code(result)) == ("failed", "model_unreachable")


# ---- replanning --------------------------------------------------------------------------------


async def test_a_patch_replaces_what_waits_and_adds_what_is_missing() -> None:
    result = await run(
        FAILING,
        replan(add=[step("x", "add", a=5, b=5)], replace=[step("b", "add", a="${x}", b=2)]),
    )
    assert (result.status, result.answer) == ("succeeded", 12)
    assert statuses(result) == {
        "a": "failed",
        "x": "succeeded",
        "b": "succeeded",
        "c": "succeeded",
    }
    assert purposes(result) == ["plan", "join"]
    versions = [event.version for event in result.events if isinstance(event, PlanReady)]
    assert versions == [1, 2]
    replans = [event.replan for event in result.events if isinstance(event, PlanningStarted)]
    assert replans == [0, 1]
    started = [event.step_id for event in result.events if isinstance(event, StepStarted)]
    assert started.count("c") == 1


async def test_a_patch_can_drop_steps_and_give_another_answer() -> None:
    result = await run(FAILING, replan(drop=["b"], answer="only ${c}"))
    assert (result.status, result.answer) == ("succeeded", "only 2")
    assert [e.step_id for e in result.events if isinstance(e, StepDropped)] == ["b"]
    assert set(statuses(result)) == {"a", "c"}


async def test_an_unusable_patch_is_asked_for_again() -> None:
    result = await run(
        FAILING,
        replan(drop=["a"]),
        replan(add=[step("x", "nonsense")]),
        answer("gave up on it"),
    )
    assert (result.status, result.answer) == ("succeeded", "gave up on it")
    asked = [event for event in result.events if isinstance(event, RepairRequested)]
    assert [event.errors[0].code for event in asked] == ["step_started", "unknown_tool"]


async def test_replans_are_bounded() -> None:
    def again(number: int) -> dict[str, Any]:
        return replan(
            add=[step(f"x{number}", "boom")],
            replace=[step("b", "add", a=f"${{x{number}}}", b=2)],
        )

    result = await run(
        FAILING, again(1), again(2), again(3), again(4), again(5), max_replans=2, max_repairs=2
    )
    assert result.status == "failed"
    assert code(result) == "model_malformed_reply"
    assert result.plan is not None
    assert result.plan.version == 3
    assert statuses(result)["c"] == "succeeded"


async def test_after_the_last_replan_the_joiner_may_still_answer() -> None:
    result = await run(FAILING, answer("It did not work."), max_replans=0)
    assert (result.status, result.answer) == ("succeeded", "It did not work.")
    assert statuses(result) == {"a": "failed", "b": "skipped", "c": "succeeded"}


async def test_a_joiner_that_gives_up_fails_the_run_with_the_steps_error() -> None:
    result = await run(FAILING, {"action": "fail", "reason": "hopeless"})
    assert (result.status, code(result), result.answer) == ("failed", "broken", None)
    assert result.error is not None
    assert result.error.step_id == "a"
    assert statuses(result) == {"a": "failed", "b": "skipped", "c": "succeeded"}


async def test_a_joiner_that_cannot_be_reached_fails_the_run_and_keeps_what_was_done() -> None:
    result = await run(FAILING, ModelError("model_unreachable", "gone"))
    assert (result.status, code(result)) == ("failed", "model_unreachable")
    assert statuses(result)["c"] == "succeeded"


async def test_a_joiner_that_writes_prose_is_asked_again_and_then_fails_the_run() -> None:
    result = await run(FAILING, "prose", "more prose", "and more")
    assert (result.status, code(result)) == ("failed", "model_malformed_reply")
    assert purposes(result) == ["plan", "join", "join", "join"]


async def test_a_policy_of_the_models_own_is_kept() -> None:
    document = plan({**step("a", "boom"), "on_failure": "skip"}, answer="fine: ${a}")
    result = await run(document)
    assert result.status == "succeeded"
    assert result.answer == "fine: (not available: broken)"
    assert purposes(result) == ["plan"]


async def test_the_joiner_sees_typed_observations() -> None:
    async with runtime([FAILING, answer("so")]) as rt:
        await rt.run("the task in words")
        model = rt.model
    assert isinstance(model, ScriptedModel)
    seen = model.requests[1].messages[-1].content
    assert "the task in words" in seen
    assert "broken: it broke" in seen
    assert '"output":2' in seen
    assert "not_run" in seen


# ---- a plan as the task ------------------------------------------------------------------------


async def test_a_finished_plan_runs_without_any_model_call() -> None:
    result = await run(task=Plan.from_wire(SUM))
    assert (result.status, result.answer, purposes(result)) == ("succeeded", "it is 5", [])
    started = result.events[0]
    assert isinstance(started, RunStarted)
    assert started.task is None


async def test_a_finished_plan_without_an_answer_has_none() -> None:
    result = await run(task=Plan.from_wire(plan(step("a", "add", a=1, b=1))))
    assert (result.status, result.answer) == ("succeeded", None)
    assert result.steps[0].output == 2


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (step("b", "nonsense"), "unknown_tool"),
        (step("b", "add", a="text", b=1), "invalid_arguments"),
        (step("b", "add", a=1), "invalid_arguments"),
        (step("b", "add", a=1, b=1, c=1), "invalid_arguments"),
        (step("b", "add", a=["${a}"], b=1), "type_mismatch"),
    ],
)
async def test_a_plan_that_does_not_fit_the_tools_fails_before_anything_starts(
    bad: dict[str, Any], expected: str
) -> None:
    result = await run(task=Plan.from_wire(plan(step("a", "add", a=1, b=1), bad)))
    assert (result.status, code(result)) == ("failed", expected)
    assert result.error is not None
    assert result.error.step_id == "b"
    assert not [event for event in result.events if isinstance(event, StepStarted)]


# ---- approval ----------------------------------------------------------------------------------

MAIL = plan(step("a", "add", a=1, b=1), step("m", "mail", to="ann"), answer="${m}")


async def test_without_an_approver_the_run_waits() -> None:
    result = await run(MAIL)
    assert (result.status, result.answer) == ("waiting", None)
    assert statuses(result) == {"a": "succeeded", "m": "waiting"}


async def test_a_failure_beside_a_call_that_waits_leaves_the_run_waiting() -> None:
    document = plan(step("a", "boom"), step("m", "mail", to="ann"), answer="${m}")
    result = await run(document, answer("It failed."))
    assert (result.status, result.answer) == ("waiting", None)
    assert statuses(result) == {"a": "failed", "m": "waiting"}


@pytest.mark.parametrize("approved", [True, False])
async def test_an_approver_decides(approved: bool) -> None:
    requests: list[ApprovalRequest] = []

    async def decide(request: ApprovalRequest) -> bool:
        requests.append(request)
        return approved

    replies = [MAIL] if approved else [MAIL, answer("It was not allowed.")]
    result = await run(*replies, approve=decide)
    assert result.status == "succeeded"
    assert result.answer == ("sent to ann" if approved else "It was not allowed.")
    assert result.plan is not None
    assert [request.plan_hash for request in requests] == [result.plan.hash]
    assert [request.run_id for request in requests] == [result.run_id]
    (asked,) = [event for event in result.events if isinstance(event, ApprovalRequested)]
    ready = next(event for event in result.events if isinstance(event, PlanReady))
    assert ready.seq < asked.seq


async def test_a_patched_call_is_asked_for_anew() -> None:
    requests: list[str] = []

    async def decide(request: ApprovalRequest) -> bool:
        requests.append(str(request.calls[0].arguments["to"]))
        return True

    document = plan(
        step("a", "boom"), {**step("m", "mail", to="ann"), "after": ["a"]}, answer="${m}"
    )
    result = await run(document, replan(replace=[step("m", "mail", to="eve")]), approve=decide)
    assert requests == ["ann", "eve"]
    assert result.answer == "sent to eve"


# ---- budgets -----------------------------------------------------------------------------------


async def test_the_budget_of_steps() -> None:
    result = await run(SUM, budget=Budget(steps=1))
    assert (result.status, code(result)) == ("failed", "budget_exceeded")
    assert statuses(result) == {"a": "succeeded", "b": "failed"}
    assert result.steps[0].output == 3


async def test_a_used_up_budget_is_not_a_question_for_the_joiner() -> None:
    document = plan(step("x", "boom"), step("a", "add", a=1, b=2), step("b", "add", a=1, b=2))
    result = await run(document, budget=Budget(steps=2), max_parallel=1)
    assert (result.status, code(result)) == ("failed", "broken")
    assert statuses(result) == {"x": "failed", "a": "succeeded", "b": "failed"}
    assert purposes(result) == ["plan"]


async def test_after_a_failure_that_cancels_nothing_is_replanned() -> None:
    document = plan(
        step("x", "boom"),
        {**step("y", "boom"), "on_failure": "cancel", "after": ["z"]},
        step("z", "add", a=1, b=2),
        {**step("m", "mail", to="ann"), "after": ["z"]},
    )
    document["steps"].insert(0, document["steps"].pop(2))
    result = await run(document)
    assert result.status == "failed"
    assert statuses(result) == {"z": "succeeded", "x": "failed", "y": "failed", "m": "cancelled"}
    assert purposes(result) == ["plan"]


async def test_the_budget_of_tokens_refuses_the_joiner() -> None:
    result = await run(plan(step("a", "add", a=1, b=2)), budget=Budget(tokens=1500))
    assert (result.status, code(result)) == ("failed", "budget_exceeded")
    assert statuses(result) == {"a": "succeeded"}
    assert purposes(result) == ["plan"]


async def test_the_budget_of_seconds() -> None:
    clock = FakeClock()

    @tool
    async def spend() -> int:
        """Spend an hour."""
        clock.advance(3600)
        return 1

    document = plan(step("a", "spend"), step("b", "add", a="${a}", b=2), answer="${b}")
    result = await run(document, tools=[spend, add], clock=clock, budget=Budget(seconds=60))
    assert (result.status, code(result)) == ("failed", "budget_exceeded")
    assert statuses(result) == {"a": "succeeded", "b": "failed"}


# ---- the record -----------------------------------------------------------------------------------


async def test_events_say_which_steps_were_planned() -> None:
    result = await run(SUM)
    planned = [event for event in result.events if isinstance(event, StepPlanned)]
    assert [(event.step_id, event.tool, event.needs) for event in planned] == [
        ("a", "add", ()),
        ("b", "add", ("a",)),
    ]

"""Calls with effects wait for the complete plan and for a decision that is bound to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.executor.conftest import Driver, Outcome, execute, plan_of, step

from treadle.core.errors import ToolError
from treadle.core.events import ApprovalAnswered, ApprovalRequested
from treadle.executor import ApprovalRequest, approve_all
from treadle.executor.node import State
from treadle.planner import Plan, PlanPatch
from treadle.tools import Tool, tool


@tool(effect="pure")
async def give(value: Any = 1) -> Any:
    return value


@tool
async def boom() -> Any:
    raise ToolError("broken", "it broke")


class Mails:
    """A tool with an effect, and an approver that answers as told."""

    def __init__(self, *answers: bool, effect: str = "irreversible") -> None:
        self.sent: list[str] = []
        self.asked: list[ApprovalRequest] = []
        self._answers = list(answers)

        @tool(effect=effect)
        async def mail(to: str) -> str:
            self.sent.append(to)
            return f"sent to {to}"

        self.tool = mail

    async def approve(self, request: ApprovalRequest) -> bool:
        self.asked.append(request)
        return self._answers.pop(0)

    @property
    def tools(self) -> list[Tool]:
        return [give, boom, self.tool]


PLAN = plan_of(
    step("who", "give", value="ann"),
    step("one", "mail", to="${who}"),
    step("two", "mail", "one", to="bob"),
    step("many", "mail", for_each=["c", "d"], to="${item}"),
    step("beside", "give", value=5),
    step("below", "give", value="${one}"),
)


@pytest.mark.parametrize("effect", ["write", "irreversible"])
async def test_one_request_lists_every_call_with_the_plans_hash(effect: str) -> None:
    mails = Mails(True, effect=effect)
    outcome = await execute(PLAN, mails.tools, approve=mails.approve)
    (request,) = mails.asked
    assert request.plan_hash == PLAN.hash
    assert request.run_id == "run"
    assert [(call.step_id, call.arguments, call.for_each) for call in request.calls] == [
        ("one", {"to": "${who}"}, False),
        ("two", {"to": "bob"}, False),
        ("many", {"to": "${item}"}, True),
    ]
    assert {call.effect.value for call in request.calls} == {effect}
    assert sorted(mails.sent) == ["ann", "bob", "c", "d"]
    assert outcome.state is State.SUCCEEDED
    (asked,) = outcome.events(ApprovalRequested)
    (answered,) = outcome.events(ApprovalAnswered)
    assert asked.step_ids == answered.step_ids == ("one", "two", "many")
    assert answered.approved
    assert answered.plan_hash == PLAN.hash


async def test_pure_and_read_steps_ask_nobody() -> None:
    mails = Mails()
    outcome = await execute(plan_of(step("a", "give")), mails.tools, approve=mails.approve)
    assert outcome.state is State.SUCCEEDED
    assert not mails.asked
    assert not outcome.events(ApprovalRequested)


async def test_a_refusal_fails_the_calls_and_lets_the_rest_finish() -> None:
    mails = Mails(False)
    outcome = await execute(PLAN, mails.tools, approve=mails.approve)
    assert not mails.sent
    assert outcome.state is State.FAILED
    assert outcome.code("one") == outcome.code("many") == "approval_denied"
    assert outcome.statuses["two"] == outcome.statuses["below"] == "skipped"
    assert outcome.statuses["beside"] == "succeeded"


async def test_with_nobody_to_ask_the_run_waits_with_everything_else_done() -> None:
    mails = Mails()
    driver = Driver(mails.tools)
    driver.start(PLAN)
    await driver.execution.settle()
    assert [call.step_id for call in driver.execution.held_calls()] == ["one", "many"]
    outcome = await driver.end()
    assert outcome.state is State.WAITING
    assert outcome.statuses == {
        "who": "succeeded",
        "one": "waiting",
        "two": "waiting",
        "many": "waiting",
        "beside": "succeeded",
        "below": "waiting",
    }
    assert outcome.code("one") == "approval_needed"
    assert not mails.sent


@pytest.mark.parametrize("approved", [True, False])
async def test_a_later_decision_goes_on_from_there(approved: bool) -> None:
    mails = Mails()
    driver = Driver(mails.tools)
    driver.start(PLAN)
    await driver.execution.settle()
    driver.execution.decide(approved)
    outcome = await driver.end()
    assert outcome.state is (State.SUCCEEDED if approved else State.FAILED)
    assert len(mails.sent) == (4 if approved else 0)


async def test_nothing_with_an_effect_starts_before_the_plan_is_complete() -> None:
    mails = Mails(True)
    driver = Driver(mails.tools, approve=approve_all)
    for each in PLAN.steps:
        driver.execution.add(each)
    await driver.execution.settle()
    assert driver.execution.graph.nodes["beside"].state is State.SUCCEEDED
    assert not mails.sent
    driver.execution.seal(PLAN)
    assert (await driver.end()).state is State.SUCCEEDED
    assert len(mails.sent) == 4


async def test_other_steps_run_while_a_person_thinks() -> None:
    done = asyncio.Event()

    @tool
    async def other() -> None:
        done.set()

    async def think(request: ApprovalRequest) -> bool:
        await done.wait()
        return True

    mails = Mails()
    plan = plan_of(step("m", "mail", to="x"), step("o", "other"))
    outcome = await execute(plan, [*mails.tools, other], approve=think)
    assert outcome.state is State.SUCCEEDED


async def test_a_step_that_a_condition_skips_is_not_held() -> None:
    mails = Mails()
    plan = plan_of(step("a", "give"), step("m", "mail", to="x", when="${a} > 5"))
    outcome = await execute(plan, mails.tools)
    assert outcome.state is State.SUCCEEDED
    assert outcome.statuses["m"] == "skipped"


# ---- patches -----------------------------------------------------------------------------------


async def with_patch(mails: Mails, plan: Plan, **patch: Any) -> Outcome:
    driver = Driver(mails.tools, approve=mails.approve)
    driver.start(plan)
    execution = driver.execution
    await execution.settle()
    patched = PlanPatch.from_wire(patch).apply(plan, execution.graph.started())
    execution.graph.resolve(execution.graph.unresolved())
    execution.patch(patched)
    return await driver.end()


BROKEN = plan_of(
    step("bad", "boom", on_failure="replan"), step("send", "mail", "bad", to="ann@example.com")
)


async def test_an_approval_does_not_cover_what_a_patch_puts_in_its_place() -> None:
    mails = Mails(True, False)
    outcome = await with_patch(
        mails, BROKEN, replace=[{"id": "send", "tool": "mail", "args": {"to": "eve@example.com"}}]
    )
    assert [request.calls[0].arguments["to"] for request in mails.asked] == [
        "ann@example.com",
        "eve@example.com",
    ]
    assert mails.sent == []
    assert outcome.code("send") == "approval_denied"


async def test_an_approval_does_not_cover_the_same_call_with_other_inputs() -> None:
    plan = plan_of(
        step("bad", "boom", on_failure="replan"),
        step("who", "give", "bad", value="ann"),
        step("send", "mail", to="${who}"),
    )
    mails = Mails(True, False)
    await with_patch(mails, plan, replace=[{"id": "who", "tool": "give", "args": {"value": "eve"}}])
    assert len(mails.asked) == 2
    assert mails.asked[0].plan_hash != mails.asked[1].plan_hash
    assert mails.sent == []


async def test_a_patch_asks_for_the_calls_that_have_not_been_made() -> None:
    plan = plan_of(*(each.wire() for each in BROKEN.steps), step("first", "mail", to="first"))
    mails = Mails(True, True)
    await with_patch(mails, plan, replace=[step("send", "mail", to="now")])
    assert [[call.step_id for call in request.calls] for request in mails.asked] == [
        ["send", "first"],
        ["send"],
    ]
    assert mails.sent == ["first", "now"]

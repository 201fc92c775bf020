"""A policy in code holds for agents, nested runs and resumed runs; answers wait in the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.agents.conftest import mail, plan, runtime, step
from tests.agents.test_agent_calls import HELP, helper, wants
from tests.crashing import happened, open_runtime

from treadle import (
    ApprovalPolicy,
    ApprovalRequest,
    Decision,
    Plan,
    RunError,
    Runtime,
    ToolError,
    allow,
    approve_all,
    ask,
    deny,
    tool,
)
from treadle.agents.session import ChatSession
from treadle.core.events import ApprovalAnswered, ToolCalled
from treadle.executor import RunResult
from treadle.testing import ScriptedModel


def tool_errors(result: RunResult) -> list[str]:
    return [
        f"{event.error.code}: {event.error.message}"
        for event in result.events
        if isinstance(event, ToolCalled) and event.error is not None
    ]


# ---- agents ------------------------------------------------------------------------------------

ELSEWHERE = {"to": "x@elsewhere"}


async def helped(policy: Any, **arguments: Any) -> tuple[RunResult, list[ApprovalRequest]]:
    """A run of one step, of an agent that wants to send a mail; a person says yes to all."""
    asked: list[ApprovalRequest] = []

    async def yes(request: ApprovalRequest) -> bool:
        asked.append(request)
        return True

    agent = helper([mail], wants("mail", **arguments), "done")
    async with runtime([], tools=[agent], approve=policy) as opened:
        return await opened.run(Plan.from_wire(HELP), approve=yes), asked


async def test_what_code_denies_is_denied_to_agents_that_were_approved_as_a_whole() -> None:
    policy = ApprovalPolicy(deny(tool="mail", when=lambda to: to != "me", reason="not out of here"))
    result, asked = await helped(policy, to="x@elsewhere")
    assert result.status == "succeeded"
    assert [call.tool for request in asked for call in request.calls] == ["helper"]
    assert tool_errors(result) == ["approval_denied: denied by policy: not out of here"]
    result, _ = await helped(policy, to="me")
    assert tool_errors(result) == []


async def test_what_a_rule_asks_is_asked_for_each_call_of_an_agent() -> None:
    policy = ApprovalPolicy(allow(tool="helper"), ask(tool="mail", reason="a mail"))
    result, asked = await helped(policy, to="x")
    (request,) = asked
    assert [(call.tool, call.arguments, call.reason) for call in request.calls] == [
        ("mail", {"to": "x"}, "a mail")
    ]
    assert tool_errors(result) == []


async def test_without_anybody_to_ask_an_agent_that_code_allowed_is_refused_what_asks() -> None:
    policy = ApprovalPolicy(allow(tool="helper"), ask(tool="mail"))
    agent = helper([mail], wants("mail", to="x"), "done")
    async with runtime([], tools=[agent], approve=policy) as opened:
        result = await opened.run(Plan.from_wire(HELP))
    assert [each.split(":")[0] for each in tool_errors(result)] == ["approval_needed"]


@pytest.mark.parametrize("nested", [False, True])
async def test_an_agent_of_its_own_obeys_the_policy_it_is_given(nested: bool) -> None:
    sent: list[str] = []

    @tool(effect="irreversible")
    async def send(to: str) -> str:
        sent.append(to)
        return "sent"

    async def change(request: ApprovalRequest) -> dict[str, Decision]:
        return {"agent": Decision(True, arguments={"to": "bob"})}

    agent = helper([send], wants("send", to="ann"), "done")
    outer = (
        [helper([agent], wants("helper", task="go"), "done", name="outer")] if nested else [agent]
    )
    policy = ApprovalPolicy(allow(effect="irreversible", tool="helper"), ask_with=change)
    await outer[0].run("go", approve=policy)
    assert sent == (["ann"] if nested else ["bob"])


async def test_a_nested_run_keeps_its_own_rules_and_gets_those_around_it() -> None:
    inner = Plan.from_wire(plan(step("a", "mail", to="in"), step("b", "mail", to="out")))
    within = Runtime(
        model=ScriptedModel([]),
        tools=[mail],
        builtins=False,
        approve=ApprovalPolicy(deny(tool="mail", when=lambda to: to == "in", reason="inner rule")),
    )
    sub = within.as_tool("sub", "Mails.", plan=inner)
    around = ApprovalPolicy(
        allow(tool="sub"), deny(tool="mail", when=lambda to: to == "out", reason="outer rule")
    )
    async with within, runtime([], tools=[sub], approve=around, database=None) as opened:
        result = await opened.run(Plan.from_wire(plan(step("s", "sub"))))
    assert result.status == "failed"
    assert "inner rule" in str(result.error)


# ---- per run -----------------------------------------------------------------------------------


async def test_whoever_is_asked_for_one_run_takes_no_rule_away() -> None:
    wire = plan(step("a", "mail", to="x"))
    async with runtime([], approve=ApprovalPolicy(deny(tool="mail"))) as opened:
        result = await opened.run(Plan.from_wire(wire), approve=approve_all)
        assert result.error is not None
        assert result.error.code == "approval_denied"
        result = await opened.run(Plan.from_wire(wire), approve=ApprovalPolicy(allow()))
        assert result.status == "succeeded"


async def test_a_turn_of_a_chat_takes_one_decision_each() -> None:
    wire = plan(step("a", "mail", to="x"), step("b", "mail", to="y"), answer="${a}")
    async with runtime([wire], approve=ApprovalPolicy()) as opened:
        session = ChatSession(opened)
        async with session.stream("go") as run:
            await run.ended()
        assert run.result.status == "waiting"
        with pytest.raises(RunError) as raised:
            session.decide({"z": Decision(True)})
        assert raised.value.code == "bad_decision"
        async with session.decide({"a": Decision(True, arguments={"to": "z"})}) as run:
            await run.ended()
        assert run.result.status == "waiting"
        assert [call.step_id for call in session.pending_calls()] == ["b"]
        async with session.decide({"b": Decision(True)}) as run:
            await run.ended()
    assert (run.result.status, run.result.answer) == ("succeeded", "sent to z")


# ---- across processes --------------------------------------------------------------------------

RUN = "run-1"


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def writes(*xs: Any) -> Plan:
    steps: list[dict[str, Any]] = [
        {"id": f"w{n}", "tool": "write", "args": {"x": x}} for n, x in enumerate(xs)
    ]
    look = {"id": "look", "tool": "look", "args": {"x": "seen"}}
    return Plan.from_wire({"steps": [look, *steps]})


async def begun(url: str, folder: Path, plan: Plan, policy: Any = None) -> None:
    async with open_runtime(url, folder, approve=policy) as runtime:
        assert (await runtime.run(plan)).status == "waiting"


async def test_answers_are_kept_for_the_next_resume(url: str, tmp_path: Path) -> None:
    await begun(url, tmp_path, writes("a", "b", "c", "d"))
    async with open_runtime(url, tmp_path, approve=None) as runtime:
        await runtime.approve(RUN, "w0")
        await runtime.approve(RUN, "w1", False, reason="not b")
        await runtime.approve(RUN, "w2", arguments={"x": "C"})
        refused: list[tuple[str, Any, str]] = [
            ("w3", {"y": 1}, "invalid_arguments"),
            ("zz", None, "nothing_waits"),
        ]
        for step_id, arguments, code in refused:
            with pytest.raises((ToolError, RunError)) as raised:
                await runtime.approve(RUN, step_id, arguments=arguments)
            assert raised.value.code == code
        result = await runtime.resume(RUN)
    assert sorted(happened(tmp_path, "write")) == ["C", "a"]
    steps = {each.id: each for each in result.steps}
    assert "not b" in str(steps["w1"].error)
    assert steps["w3"].status == "waiting" or result.status == "failed"


BY_LOOK = (ask(tool="write", when=lambda x: x == "seen"), allow())


async def test_an_answer_about_inputs_counts_while_they_are_the_same(
    url: str, tmp_path: Path
) -> None:
    await begun(url, tmp_path, writes("${look}", "free"), ApprovalPolicy(*BY_LOOK))
    assert happened(tmp_path, "write") == ["free"]
    async with open_runtime(url, tmp_path, approve=ApprovalPolicy(*BY_LOOK)) as runtime:
        await runtime.approve(RUN, "w0")
        assert (await runtime.resume(RUN)).status == "succeeded"
    assert happened(tmp_path, "write") == ["free", "seen"]


async def test_code_is_asked_again_on_resume_and_what_it_allowed_before_is_no_consent(
    url: str, tmp_path: Path
) -> None:
    plan = Plan.from_wire(
        {
            "steps": [
                {"id": "first", "tool": "write", "args": {"x": "first"}},
                {"id": "w", "tool": "write", "args": {"x": "second"}, "after": ["first"]},
            ]
        }
    )
    lax = ApprovalPolicy(allow(when=lambda x: x == "second"))
    await begun(url, tmp_path, plan, lax)
    async with open_runtime(url, tmp_path, approve=ApprovalPolicy()) as runtime:
        await runtime.approve(RUN, "first")
        result = await runtime.resume(RUN)
        assert result.status == "waiting"
        assert happened(tmp_path, "write") == ["first"]
        # What a person has said stands: it is not asked again.
        await runtime.approve(RUN, "w")
    async with open_runtime(url, tmp_path, approve=ApprovalPolicy(ask())) as runtime:
        assert (await runtime.resume(RUN)).status == "succeeded"


async def test_what_code_denies_on_resume_is_denied_whoever_has_approved(
    url: str, tmp_path: Path
) -> None:
    await begun(url, tmp_path, writes("a"))
    async with open_runtime(url, tmp_path, approve=ApprovalPolicy(deny(tool="write"))) as runtime:
        await runtime.approve(RUN, "w0")
        result = await runtime.resume(RUN)
    assert result.error is not None
    assert result.error.code == "approval_denied"
    assert happened(tmp_path, "write") == []
    policies = [e.by for e in result.events if isinstance(e, ApprovalAnswered)]
    assert "policy" in policies

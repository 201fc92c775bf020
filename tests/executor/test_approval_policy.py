"""Rules in code: what runs, what asks, what never happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.executor.conftest import Driver, execute, plan_of, step

from treadle.core.errors import ConfigError, RunError, ToolError, TreadleError
from treadle.core.events import ApprovalAnswered, ApprovalRequested, StepStarted
from treadle.executor import ApprovalPolicy, ApprovalRequest, Decision, allow, ask, deny
from treadle.executor.approval import Reply, needs_approval
from treadle.executor.approval_policy import Rule, Ruling, Verdict, joined
from treadle.executor.node import State
from treadle.planner import PlanPatch
from treadle.tools import Tool, tool


@tool(effect="pure")
async def give(value: Any = 1) -> Any:
    return value


@tool(effect="pure")
async def count(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number


class Post:
    """Tools with effects, and a person who answers as told."""

    def __init__(self, *replies: Reply) -> None:
        self.sent: list[Any] = []
        self.asked: list[ApprovalRequest] = []
        self._replies = list(replies)

        @tool(name="mail.send", effect="irreversible")
        async def send(to: Any, copies: int = 1) -> str:
            self.sent.append(to)
            return f"sent to {to}"

        @tool(name="mail.read", effect="read")
        async def read(to: Any = 0) -> str:
            self.sent.append(f"read {to}")
            return "read"

        self.tools: list[Tool] = [give, count, send, read]

    async def reply(self, request: ApprovalRequest) -> Reply:
        self.asked.append(request)
        return self._replies.pop(0)


SEND, READ = Post().tools[2:]


def rule_of(policy: ApprovalPolicy, tool: Tool, **arguments: Any) -> Verdict | None:
    ruling = policy.ruling(tool, arguments)
    return None if ruling is None else ruling.verdict


# ---- rules -------------------------------------------------------------------------------------


def test_the_first_rule_that_is_about_a_call_decides() -> None:
    policy = ApprovalPolicy(
        allow(tool="mail.*", when=lambda to, **_: to == "me"),
        deny(tool="mail.send", when=lambda to, **_: to == "eve", reason="not eve"),
        ask(effect=["read", "write"]),
    )
    assert rule_of(policy, SEND, to="me") is Verdict.ALLOW
    assert policy.ruling(SEND, {"to": "eve"}) == Ruling(Verdict.DENY, "not eve")
    assert rule_of(policy, SEND, to="ann") is Verdict.ASK  # irreversible: by default
    assert rule_of(policy, READ, to="ann") is Verdict.ASK
    assert rule_of(policy, READ, to="me") is Verdict.ALLOW
    assert rule_of(policy, give) is Verdict.ALLOW
    assert policy.ruling(SEND, None) is None
    assert policy.ruling(give, None) is not None


def test_a_rule_sees_what_the_tool_would_get() -> None:
    policy = ApprovalPolicy(deny(when=lambda copies, **_: copies == 1), allow())
    assert rule_of(policy, SEND, to="x") is Verdict.DENY
    assert rule_of(policy, SEND, to="x", copies="1") is Verdict.DENY
    assert rule_of(policy, SEND, to="x", copies=2) is Verdict.ALLOW


async def unsure(**arguments: Any) -> bool:
    return True


@pytest.mark.parametrize(
    "when",
    [lambda to: True, lambda **_: 1 / 0, lambda **_: unsure()],
    ids=["name", "error", "async"],
)
def test_a_rule_that_cannot_tell_asks_and_weakens_no_other(when: Any) -> None:
    ruling = ApprovalPolicy(allow(when=when)).ruling(SEND, {"to": "x"})
    assert ruling is not None
    assert ruling.verdict is Verdict.ASK
    assert "a rule cannot tell" in str(ruling.reason)
    assert rule_of(ApprovalPolicy(allow(when=when), deny()), SEND, to="x") is Verdict.DENY
    assert rule_of(ApprovalPolicy(deny(when=when), allow()), SEND, to="x") is Verdict.ASK


def test_a_rule_cannot_change_what_runs() -> None:
    def spoil(to: list[int], **_: Any) -> bool:
        to.append(1)
        return True

    arguments: dict[str, Any] = {"to": [0]}
    ApprovalPolicy(allow(when=spoil)).ruling(SEND, arguments)
    assert arguments == {"to": [0]}


@pytest.mark.parametrize(
    "make",
    [
        lambda: ask(effect="loud"),
        lambda: deny(tool=[]),
        lambda: deny(effect=()),
        lambda: deny(tool=""),
        lambda: allow(when=unsure),
        lambda: allow(when="yes"),  # type: ignore[arg-type]
        lambda: ApprovalPolicy("deny"),  # type: ignore[arg-type]
        lambda: ApprovalPolicy(ask_with=ApprovalPolicy()),
    ],
)
def test_rules_that_are_none_are_refused(make: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        make()
    assert raised.value.code == "bad_approval_rule"


VERDICTS = st.sampled_from(["allow", "ask", "deny"])
RULES = st.lists(
    st.tuples(VERDICTS, st.sampled_from([None, "mail.*", "mail.send", "give"]), st.booleans()),
    max_size=5,
)


def made(rules: list[tuple[str, str | None, bool]]) -> tuple[Rule, ...]:
    makers: Mapping[str, Any] = {"allow": allow, "ask": ask, "deny": deny}
    return tuple(
        makers[name](tool=about, when=lambda holds=holds, **_: holds)
        for name, about, holds in rules
    )


@given(RULES, RULES, st.sampled_from([SEND, READ, give]))
def test_rules_around_a_run_only_add(inner: Any, outer: Any, tool: Tool) -> None:
    one, two = ApprovalPolicy(*made(inner)), ApprovalPolicy(*made(outer))
    arguments = {"value": 1} if tool is give else {"to": 1}
    alone = [each.ruling(tool, arguments) for each in (one, two)]
    both = one.within(two).ruling(tool, arguments)
    assert both is not None
    assert both.verdict == max(each.verdict for each in alone if each)


@given(RULES, st.sampled_from([SEND, READ, give]))
def test_what_holds_without_arguments_holds_with_all(rules: Any, tool: Tool) -> None:
    policy = ApprovalPolicy(*made(rules))
    early = policy.ruling(tool, None)
    if early is not None:
        assert policy.ruling(tool, {"value": 1} if tool is give else {"to": 1}) == early
    if not rules:
        assert early == Ruling(Verdict(int(needs_approval(tool))), by_rule=False)


async def test_rules_stay_when_only_somebody_to_ask_is_named() -> None:
    post = Post(True)
    policy = ApprovalPolicy(deny(tool="give"))
    run = joined(policy, post.reply)
    assert isinstance(run, ApprovalPolicy)
    assert run.rules == policy.rules
    assert run.ask_with == post.reply
    other = ApprovalPolicy()
    assert joined(policy, other) is other
    assert joined(post.reply, None) == post.reply
    nested = joined(policy, other, nested=True)
    assert isinstance(nested, ApprovalPolicy)
    assert rule_of(nested, give, value=1) is Verdict.DENY


# ---- in a run ----------------------------------------------------------------------------------

MAIL = plan_of(
    step("who", "give", value="ann"),
    step("one", "mail.send", to="${who}"),
    step("two", "mail.send", to="eve"),
    step("three", "mail.send", to="me"),
)
POLICY = (
    allow(tool="mail.send", when=lambda to, **_: to == "me"),
    deny(tool="mail.send", when=lambda to, **_: to == "eve", reason="eve is no customer"),
)


async def test_code_decides_and_the_rest_is_asked_with_its_arguments() -> None:
    post = Post(True)
    policy = ApprovalPolicy(*POLICY, ask_with=post.reply)
    outcome = await execute(MAIL, post.tools, approve=policy)
    (request,) = post.asked
    (call,) = request.calls
    assert (call.step_id, call.arguments, call.resolved) == ("one", {"to": "ann"}, True)
    assert request.plan_hash == MAIL.hash
    assert sorted(post.sent) == ["ann", "me"]
    assert outcome.code("two") == "approval_denied"
    assert "eve is no customer" in str(outcome.steps["two"].error)
    answers = outcome.events(ApprovalAnswered)
    assert {(each.step_ids, each.approved, each.by, each.reason) for each in answers} == {
        (("three",), True, "policy", None),
        (("two",), False, "policy", "eve is no customer"),
        (("one",), True, "person", None),
    }
    (asked,) = outcome.events(ApprovalRequested)
    assert asked.arguments.value == {"one": {"to": "ann"}}
    assert set(asked.input_hashes) == {"one"}


async def test_with_nobody_to_ask_what_asks_waits() -> None:
    post = Post()
    outcome = await execute(MAIL, post.tools, approve=ApprovalPolicy(*POLICY[:1]))
    assert outcome.state is State.WAITING
    assert post.sent == ["me"]
    assert outcome.statuses["one"] == outcome.statuses["two"] == "waiting"
    asked = [each for event in outcome.events(ApprovalRequested) for each in event.step_ids]
    assert sorted(asked) == ["one", "two"]


async def test_calls_that_turn_out_to_ask_are_asked_together_while_others_go_on() -> None:
    post = Post(True)
    plan = plan_of(
        step("who", "give", value="ann"),
        *(step(f"s{number}", "mail.send", to="${who}") for number in range(4)),
    )
    policy = ApprovalPolicy(ask(when=lambda to=None, **_: to == "ann"), ask_with=post.reply)
    outcome = await execute(plan, post.tools, approve=policy)
    (request,) = post.asked
    assert [call.step_id for call in request.calls] == ["s0", "s1", "s2", "s3"]
    assert outcome.state is State.SUCCEEDED
    assert len(outcome.events(ApprovalRequested)) == 1


async def test_a_read_is_held_where_a_rule_says_so_and_never_before_the_seal() -> None:
    post = Post()
    driver = Driver(post.tools, approve=ApprovalPolicy(deny(tool="mail.read")))
    plan = plan_of(step("r", "mail.read"), step("g", "give"))
    for each in plan.steps:
        driver.execution.add(each)
    await driver.execution.settle()
    assert driver.execution.graph.nodes["g"].state is State.SUCCEEDED
    assert driver.execution.graph.nodes["r"].state is State.HELD
    driver.execution.seal(plan)
    outcome = await driver.end()
    assert outcome.code("r") == "approval_denied"
    (answered,) = outcome.events(ApprovalAnswered)
    assert (answered.plan_hash, answered.by) == (plan.hash, "policy")
    assert post.sent == []


@pytest.mark.parametrize("bad", ["eve", 7])
async def test_a_fan_out_gets_the_most_severe_ruling_of_its_items(bad: Any) -> None:
    post = Post(True, True)
    plan = plan_of(
        step("all", "give", value=["me", bad]),
        step("m", "mail.send", for_each="${all}", to="${item}"),
    )
    rules = (
        allow(when=lambda to="me", **_: to == "me"),
        deny(when=lambda to, **_: to == "eve"),
    )
    outcome = await execute(plan, post.tools, approve=ApprovalPolicy(*rules, ask_with=post.reply))
    if bad == "eve":
        assert outcome.code("m") == "approval_denied"
        assert not post.asked
        assert not post.sent
    else:
        (call,) = post.asked[-1].calls
        assert call.items == ({"to": "me"}, {"to": 7})
        assert sorted(post.sent, key=str) == [7, "me"]


async def test_a_reader_of_a_stream_waits_for_all_items_where_a_rule_looks_at_them() -> None:
    post = Post()
    plan = plan_of(
        step("c", "count", upto=5), step("r", "mail.read", for_each="${c}", to="${item}")
    )
    rules = (deny(tool="mail.read", when=lambda to, **_: to == 4),)
    outcome = await execute(plan, post.tools, approve=ApprovalPolicy(*rules))
    assert outcome.code("r") == "approval_denied"
    assert post.sent == []
    outcome = await execute(
        plan, post.tools, approve=ApprovalPolicy(deny(when=lambda to=0, **_: to == 9))
    )
    assert outcome.state is State.SUCCEEDED
    assert len(post.sent) == 5


async def test_arguments_that_do_not_fit_fail_the_step_as_ever() -> None:
    post = Post()
    plan = plan_of(step("g", "give", value={"a": 1}), step("m", "mail.send", to=1, copies="${g}"))
    policy = ApprovalPolicy(allow(when=lambda **_: True))
    outcome = await execute(plan, post.tools, approve=policy)
    assert outcome.code("m") == "invalid_arguments"
    plan = plan_of(step("g", "give", value={}), step("m", "mail.send", to="${g.b}"))
    outcome = await execute(plan, post.tools, approve=policy)
    assert outcome.code("m") == "reference_not_found"


# ---- one decision each -------------------------------------------------------------------------

THREE = plan_of(*(step(name, "mail.send", to=name) for name in ("a", "b", "c")))


async def test_one_decision_each() -> None:
    post = Post(
        {
            "a": Decision(True, arguments={"to": "anna"}),
            "b": Decision(False, "not b"),
            "c": Decision(True),
        }
    )
    outcome = await execute(THREE, post.tools, approve=post.reply)
    assert sorted(post.sent) == ["anna", "c"]
    assert outcome.code("b") == "approval_denied"
    assert "not b" in str(outcome.steps["b"].error)
    started = {each.step_id: each.arguments.value for each in outcome.events(StepStarted)}
    assert started["a"] == {"to": "anna"}
    (edited,) = [each for each in outcome.events(ApprovalAnswered) if each.arguments]
    assert edited.step_ids == ("a",)


async def test_what_is_left_out_stays_open() -> None:
    post = Post({"a": Decision(True)})
    outcome = await execute(THREE, post.tools, approve=post.reply)
    assert post.sent == ["a"]
    assert outcome.state is State.WAITING
    assert outcome.statuses["b"] == "waiting"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ({"z": Decision(True)}, "bad_decision"),
        ({"a": True}, "bad_decision"),
        ({"a": Decision(False, arguments={"to": 1})}, "bad_decision"),
        ({"a": Decision(True, arguments={"too": 1})}, "invalid_arguments"),
    ],
)
async def test_decisions_that_are_none_run_nothing(reply: Any, code: str) -> None:
    post = Post(reply)
    driver = Driver(post.tools, approve=post.reply)
    driver.start(THREE)
    with pytest.raises(TreadleError) as raised:
        await driver.execution.settle()
    assert raised.value.code == code
    assert post.sent == []
    driver.artifacts.close()


@pytest.mark.parametrize("reply", [None, 1, "yes", object()])
async def test_only_true_is_a_yes(reply: Any) -> None:
    post = Post(reply)
    outcome = await execute(THREE, post.tools, approve=post.reply)
    assert outcome.code("a") == "approval_denied"
    assert post.sent == []


async def test_nobody_can_allow_by_an_edit_what_is_denied() -> None:
    post = Post()
    policy = ApprovalPolicy(deny(when=lambda to, **_: to == "eve"))
    driver = Driver(post.tools, approve=policy)
    driver.start(plan_of(step("a", "mail.send", to="ann")))
    await driver.execution.settle()
    with pytest.raises(ToolError, match="denied by policy"):
        driver.execution.answer_call("a", True, arguments={"to": "eve"})
    driver.execution.answer_call("a", True, arguments={"to": "bob"})
    await driver.end()
    assert post.sent == ["bob"]


async def test_an_answer_about_something_else_is_none() -> None:
    post = Post()
    driver = Driver(post.tools)
    plan = plan_of(step("a", "mail.send", to="ann"))
    driver.start(plan)
    await driver.execution.settle()
    for about in ("another plan", f"{plan.hash}/inputs"):
        with pytest.raises(RunError) as raised:
            driver.execution.answer_call("a", True, about=about)
        assert raised.value.code == "nothing_waits"
    driver.execution.answer_call("a", True, about=plan.hash)
    await driver.end()
    assert post.sent == ["ann"]


# ---- questions ---------------------------------------------------------------------------------


async def test_a_question_that_is_answered_elsewhere_is_withdrawn() -> None:
    withdrawn, asked = asyncio.Event(), asyncio.Event()

    async def think(request: ApprovalRequest) -> bool:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            withdrawn.set()
            raise
        return False

    post = Post()
    driver = Driver(post.tools, approve=think)
    driver.start(THREE)
    await asked.wait()
    driver.execution.answer_call("a", True)
    driver.execution.answer_call("b", False)
    await asyncio.sleep(0)
    assert not withdrawn.is_set()
    driver.execution.answer_call("c", True)
    outcome = await driver.end()
    assert withdrawn.is_set()
    assert sorted(post.sent) == ["a", "c"]
    assert outcome.code("b") == "approval_denied"


async def test_an_answer_to_a_question_about_an_earlier_plan_does_not_count() -> None:
    asked, proceed = asyncio.Event(), asyncio.Event()
    hashes: list[str] = []

    async def slow(request: ApprovalRequest) -> bool:
        hashes.append(request.plan_hash)
        asked.set()
        if len(hashes) > 1:
            return False
        try:
            await proceed.wait()
        except asyncio.CancelledError:
            return True  # it does not listen
        return True

    post = Post()
    driver = Driver(post.tools, approve=slow)
    plan = plan_of(step("a", "mail.send", to="ann"))
    driver.start(plan)
    await asked.wait()
    patch = PlanPatch.from_wire({"replace": [step("a", "mail.send", to="eve")]})
    driver.execution.patch(patch.apply(plan, driver.execution.graph.started()))
    proceed.set()
    outcome = await driver.end()
    assert post.sent == []
    assert outcome.code("a") == "approval_denied"
    assert len(set(hashes)) == 2


async def test_one_question_at_a_time() -> None:
    now = most = 0

    async def answer(request: ApprovalRequest) -> bool:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        gate.set()
        await asyncio.sleep(0.01)
        now -= 1
        return True

    gate = asyncio.Event()

    @tool
    async def wait_for_the_question() -> str:
        await gate.wait()
        return "ann"

    post = Post()
    plan = plan_of(
        step("w", "wait_for_the_question"),
        step("early", "mail.send", to="bob"),
        step("late", "mail.send", to="${w}"),
    )
    policy = ApprovalPolicy(ask(when=lambda to=None, **_: bool(to)), ask_with=answer)
    outcome = await execute(plan, [*post.tools, wait_for_the_question], approve=policy)
    assert outcome.state is State.SUCCEEDED
    assert most == 1
    assert sorted(post.sent) == ["ann", "bob"]

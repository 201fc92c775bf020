"""What a tool declares holds for steps of plans and for the calls that agents make."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from tests.agents.conftest import plan, runtime, step

from treadle import Agent, ApprovalPolicy, Budget, Plan, Price, Runtime, allow, ask, deny, tool
from treadle.core.chat import ToolCall
from treadle.core.errors import ConfigError, ToolError
from treadle.core.events import StepFinished, ToolCalled
from treadle.executor import ApprovalRequest, RunResult
from treadle.testing import ScriptedModel
from treadle.tools import Retry, Tool, ToolRegistry


@dataclass
class Made:
    """How a call ended: its output, or the code and message of its error."""

    output: Any
    code: str | None
    message: str
    result: RunResult


Call: TypeAlias = Callable[..., Awaitable[Made]]


async def by_plan(wanted: Tool, /, **options: Any) -> Made:
    async with runtime([], tools=[wanted], **options) as opened:
        result = await opened.run(Plan.from_wire(plan(step("s", wanted.name, value=3))))
    [end] = [each for each in result.events if isinstance(each, StepFinished)]
    return _made(end, result)


async def by_agent(wanted: Tool, /, **options: Any) -> Made:
    model = ScriptedModel([(ToolCall("1", wanted.name, '{"value": 3}'),), "done"])
    agent = Agent("worker", "Work.", model=model, tools=[wanted])
    rules = options.pop("approve", None)
    # The agent itself is allowed: what matters here is what it calls.
    policy = rules if isinstance(rules, ApprovalPolicy) else ApprovalPolicy(ask_with=rules)
    policy = ApprovalPolicy(*policy.rules, allow(tool="worker"), ask_with=policy.ask_with)
    async with runtime([], tools=[agent], model=model, approve=policy, **options) as opened:
        result = await opened.run(Plan.from_wire(plan(step("s", "worker", task="x"))))
    calls = [each for each in result.events if isinstance(each, ToolCalled)]
    if not calls:
        [end] = [each for each in result.events if isinstance(each, StepFinished)]
        return _made(end, result)
    return _made(calls[-1], result)


def _made(event: StepFinished | ToolCalled, result: RunResult) -> Made:
    error = event.error
    output = None if event.output is None else event.output.value
    return Made(output, error and error.code, error.message if error else "", result)


both = pytest.mark.parametrize("call", [by_plan, by_agent])


def counted(**spec: Any) -> tuple[Tool, list[int]]:
    """A tool that counts its calls and gives back twice what it was given."""
    calls: list[int] = []

    @tool(**{"effect": "read", **spec})
    async def double(value: int) -> Any:
        """Double a number."""
        calls.append(value)
        return 2 * value

    return double, calls


@both
async def test_a_result_that_is_too_large_is_an_error(call: Call) -> None:
    @tool(result_size=10)
    async def much(value: int) -> str:
        """Give much."""
        return "ä" * value * 2

    made = await call(much)
    assert made.code == "result_too_large"
    assert "14 bytes" in made.message
    assert (await call(counted(result_size=1)[0])).output == 6


@both
async def test_a_result_that_its_check_refuses_does_not_count(call: Call) -> None:
    async def positive(result: int, value: int) -> bool:
        return result < value

    double, calls = counted(verify=positive)
    made = await call(double)
    assert (made.code, calls) == ("not_verified", [3])
    double, _ = counted(verify=lambda result, value: result == 2 * value)
    assert (await call(double)).output == 6


@both
async def test_an_effect_that_is_not_verified_is_taken_back(call: Call) -> None:
    undone: list[Any] = []
    double, calls = counted(
        effect="write",
        undo=lambda result, value: undone.append((result, value)),
        verify=lambda result, value: False,
    )
    made = await call(double)
    assert (made.code, calls, undone) == ("not_verified", [3], [(6, 3)])
    assert "taken back" in made.message


@both
async def test_a_check_that_breaks_is_no_yes(call: Call) -> None:
    def broken(result: int, value: int) -> bool:
        raise KeyError("x")

    assert (await call(counted(verify=broken)[0])).code == "verify_failed"


@both
async def test_a_tool_says_how_often_it_is_tried(call: Call) -> None:
    attempts: list[int] = []

    @tool(retry=Retry(3, delay=0.001))
    async def shaky(value: int) -> int:
        """Fail twice."""
        attempts.append(value)
        if len(attempts) < 3:
            raise ToolError("flaky", "not yet", retryable=True)
        return value

    assert (await call(shaky)).output == 3
    assert len(attempts) == 3


async def test_a_step_that_says_so_is_tried_as_it_says() -> None:
    attempts: list[int] = []

    @tool(retry=5)
    async def shaky() -> None:
        """Fail."""
        attempts.append(1)
        raise ToolError("flaky", "no", retryable=True)

    document = plan({**step("s", "shaky"), "retry": {"attempts": 2, "delay": 0.001}})
    async with runtime([], tools=[shaky]) as opened:
        await opened.run(Plan.from_wire(document))
    assert len(attempts) == 2


@both
async def test_calls_cost_money_of_the_budget(call: Call) -> None:
    double, calls = counted(cost=0.4)
    made = await call(double, budget=Budget(cost=1.0), prices={"*": Price(0, 0)})
    assert made.output == 6
    double, calls = counted(cost=1.5)
    made = await call(double, budget=Budget(cost=1.0), prices={"*": Price(0, 0)})
    assert calls == []
    assert made.result.status == "failed"
    assert made.result.error is not None
    assert made.result.error.code == "budget_exceeded"


async def test_what_was_paid_before_counts_after_a_resume(tmp_path: Any) -> None:
    double, calls = counted(cost=0.6)

    @tool(effect="irreversible")
    async def stop() -> None:
        """Ask."""

    url = f"sqlite:///{tmp_path / 'runs.db'}"
    document = plan(
        step("a", "double", value=1),
        {**step("s", "stop"), "after": ["a"]},
        {**step("b", "double", value=2), "after": ["s"]},
    )
    options: dict[str, Any] = {"tools": [double, stop], "database": url, "budget": Budget(cost=1.0)}
    async with runtime([], **options) as opened:
        waits = await opened.run(Plan.from_wire(document))
    assert waits.status == "waiting"
    async with runtime([], **options) as opened:
        await opened.approve(waits.run_id, "s")
        result = await opened.resume(waits.run_id)
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "budget_exceeded"
    assert calls == [1]


@both
async def test_a_tool_says_itself_that_it_asks(call: Call) -> None:
    asked: list[str] = []

    async def person(request: ApprovalRequest) -> bool:
        asked.extend(each.tool for each in request.calls)
        return False

    double, calls = counted(approval="ask")
    assert (await call(double, approve=person)).code == "approval_denied"
    # A rule cannot make it looser.
    rules = ApprovalPolicy(allow(tool="double"), ask_with=person)
    assert (await call(double, approve=rules)).code == "approval_denied"
    assert (asked, calls) == (["double", "double"], [])


@both
async def test_a_tool_that_denies_itself_is_never_called(call: Call) -> None:
    double, calls = counted(approval="deny")
    for rules in (None, ApprovalPolicy(allow())):
        assert (await call(double, approve=rules)).code == "approval_denied"
    assert calls == []


@both
async def test_a_tool_that_allows_itself_can_be_tightened(call: Call) -> None:
    double, calls = counted(effect="irreversible", approval="allow")
    assert (await call(double)).output == 6
    assert (await call(double, approve=ApprovalPolicy(deny(tool="double")))).code == (
        "approval_denied"
    )
    assert calls == [3]


@both
async def test_a_dry_run_calls_mocks(call: Call) -> None:
    double, calls = counted(effect="irreversible", mock=lambda value: -value)
    assert (await call(double, dry_run=True)).output == -3
    assert calls == []


@both
async def test_a_dry_run_makes_no_effect_without_a_mock(call: Call) -> None:
    double, calls = counted(effect="write")
    assert (await call(double, dry_run=True)).code == "no_mock"
    assert calls == []
    reading, read = counted()
    assert (await call(reading, dry_run=True)).output == 6
    assert read == [3]


@pytest.mark.parametrize(
    "spec",
    [
        {"approval": "maybe"},
        {"cost": -1},
        {"cost": True},
        {"cost": float("nan")},
        {"result_size": 0},
        {"retry": Retry(0)},
        {"retry": 3, "effect": "write"},
        {"mock": 3},
        {"mock": lambda other: other},
        {"verify": lambda value: value},
        {"sanitizes": True},
        {"scopes": ["not a name"]},
    ],
)
def test_what_makes_no_sense_is_refused_at_once(spec: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        counted(**spec)


def test_the_fingerprint_covers_what_changes_meaning() -> None:
    def check(result: int, value: int) -> bool:
        return True

    specs: Iterable[dict[str, Any]] = (
        {}, {"open_world": True}, {"untrusted": True}, {"scopes": ["KEY"]}, {"approval": "ask"},
        {"verify": check}, {"effect": "write"}, {"open_world": True, "untrusted": False},
    )  # fmt: skip
    prints = [counted(**spec)[0].fingerprint for spec in specs]
    assert len(set(prints)) == len(prints)
    same: Iterable[dict[str, Any]] = (
        {"cost": 3.0},
        {"retry": 3},
        {"result_size": 9},
        {"timeout": 3.0},
    )
    assert {counted(**spec)[0].fingerprint for spec in same} == {prints[0]}


async def test_names_stand_under_a_namespace() -> None:
    double, _ = counted()
    registry = ToolRegistry([double]).merged(github=[double], mail=ToolRegistry([double]))
    assert list(registry) == ["double", "github.double", "mail.double"]
    with pytest.raises(ConfigError, match="two tools named 'double'"):
        registry.merged([double])
    for prefix in ("", "1", "a b", "a.", "x" * 200):
        with pytest.raises(ConfigError):
            registry.namespace(prefix)
    with pytest.raises(ToolError, match=r"github\.double"):
        registry.find("github.dubble")
    async with Runtime(model=ScriptedModel([]), tools=registry, builtins=False) as opened:
        result = await opened.run(
            Plan.from_wire(plan(step("s", "github.double", value=2), answer="${s}"))
        )
    assert result.answer == 4


def test_asking_by_rule_is_as_before() -> None:
    double, _ = counted()
    ruling = ApprovalPolicy(ask(tool="double", reason="why not")).ruling(double, {"value": 1})
    assert ruling is not None
    assert ruling.reason == "why not"

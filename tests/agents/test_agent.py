"""An agent: instructions, a model and tools, in a loop."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel
from tests.agents.conftest import SECONDS, add, boom, mail, plan, runtime, step

from treadle import Agent, tool, workflow
from treadle.core.budget import Budget
from treadle.core.chat import Message, ToolCall
from treadle.core.errors import ConfigError, ModelError
from treadle.core.events import ModelCalled, ToolCalled
from treadle.executor import ApprovalRequest, RunResult
from treadle.planner import Plan
from treadle.testing import ScriptedModel, ToolCalls
from treadle.tools import Effect


def calls(*wanted: tuple[str, Any], text: str = "") -> ToolCalls:
    """A reply that calls tools; arguments that are no text are sent as JSON."""
    return ToolCalls(
        [
            ToolCall(f"call_{number}", name, args if isinstance(args, str) else json.dumps(args))
            for number, (name, args) in enumerate(wanted)
        ],
        text,
    )


def agent(*replies: Any, tools: Any = (add,), **options: Any) -> Agent:
    model = ScriptedModel(list(replies), name="scripted:agent")
    return Agent("helper", "You help.\nBe brief.", model=model, tools=tools, **options)


def shown(made: Agent, request: int = -1) -> list[Message]:
    """What the model was last shown of its tools' outputs."""
    assert isinstance(made.model, ScriptedModel)
    return [each for each in made.model.requests[request].messages if each.role == "tool"]


async def test_the_loop_goes_on_until_there_is_an_answer() -> None:
    made = agent(calls(("add", {"a": 1, "b": 2})), calls(("add", {"a": 3, "b": 3})), "It is 6.")
    result = await made.run("1 + 2 + 3")
    assert result.text == result.output == "It is 6."
    assert [message.role for message in result.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    assert [message.content for message in shown(made)] == ["3", "6"]
    assert result.usage.calls == 3
    assert result.usage.total_tokens > 0


async def test_the_model_is_told_of_the_tools_and_of_what_came_before() -> None:
    made = agent("done")
    history = (Message("user", "earlier"), Message("assistant", "said"))
    await made.run("now", history=history)
    assert isinstance(made.model, ScriptedModel)
    (request,) = made.model.requests
    assert [spec.name for spec in request.tools] == ["add"]
    assert request.messages == (
        Message("system", "You help.\nBe brief."),
        *history,
        Message("user", "now"),
    )


async def test_calls_of_one_turn_run_at_the_same_time_and_are_answered_in_order() -> None:
    meeting = asyncio.Barrier(2)

    @tool
    async def meet(name: str) -> str:
        """Wait for the other."""
        await meeting.wait()
        return name

    made = agent(calls(("meet", {"name": "x"}), ("meet", {"name": "y"})), "done", tools=[meet])
    await asyncio.wait_for(made.run("go"), SECONDS)
    answered = [(each.tool_call_id, each.content) for each in shown(made)]
    assert answered == [("call_0", "x"), ("call_1", "y")]


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("nonsense", {}, "unknown_tool"),
        ("add", "{not json", "invalid_arguments"),
        ("add", "[1, 2]", "invalid_arguments"),
        ("add", "[" * 50_000, "invalid_arguments"),
        ("add", {"a": "one", "b": 2}, "invalid_arguments"),
        ("add", {"a": 1}, "invalid_arguments"),
        ("boom", {}, "broken"),
        ("mail", {"to": "ann"}, "approval_needed"),
    ],
)
async def test_what_goes_wrong_with_a_call_is_shown_to_the_model(
    name: str, arguments: Any, code: str
) -> None:
    made = agent(calls((name, arguments)), "I see.", tools=[add, boom, mail])
    result = await made.run("go")
    assert result.text == "I see."
    assert shown(made)[0].content.startswith(f"error: {code}: ")


@pytest.mark.parametrize("approved", [True, False])
async def test_a_call_with_an_effect_asks(approved: bool) -> None:
    requests: list[ApprovalRequest] = []

    async def decide(request: ApprovalRequest) -> bool:
        requests.append(request)
        return approved

    made = agent(calls(("mail", {"to": "ann"})), "done", tools=[mail])
    await made.run("go", approve=decide)
    assert requests[0].calls[0].arguments == {"to": "ann"}
    text = shown(made)[0].content
    assert text == "sent to ann" if approved else text.startswith("error: approval_denied")


async def test_what_an_approver_raises_reaches_the_caller_as_it_is() -> None:
    error = LookupError("nobody there")

    async def fail(request: ApprovalRequest) -> bool:
        raise error

    made = agent(calls(("mail", {"to": "ann"}), ("mail", {"to": "bob"})), "done", tools=[mail])
    with pytest.raises(LookupError) as caught:
        await made.run("go", approve=fail)
    assert caught.value is error


async def test_a_long_output_is_cut_and_says_so() -> None:
    @tool
    async def much() -> str:
        """Much."""
        return "x" * 100_000

    made = agent(calls(("much", {})), "done", tools=[much])
    await made.run("go")
    text = shown(made)[0].content
    assert len(text) < 21_000
    assert text.endswith("(cut: 100,000 characters in all)")


async def test_turns_run_out() -> None:
    made = agent(*[calls(("add", {"a": 1, "b": 1}))] * 3, max_turns=3)
    with pytest.raises(ModelError) as caught:
        await made.run("go")
    assert caught.value.code == "agent_turns_exhausted"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: Agent("a", "x", max_turns=0), "bad_agent"),
        (lambda: Agent("a", "x", model="openai:x"), "bad_model"),  # type: ignore[arg-type]
        (lambda: Agent("a", "x", output_type=object()), "bad_output_type"),
        (lambda: Agent("a", "x")("task"), "not_in_workflow"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(make: Any, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.code == code


async def test_without_a_model_it_says_so() -> None:
    with pytest.raises(ConfigError) as caught:
        await Agent("a", "x").run("go")
    assert caught.value.code == "agent_without_model"


# ---- structured answers ------------------------------------------------------------------------


class Total(BaseModel):
    total: int


async def test_a_structured_answer() -> None:
    made = agent(calls(("add", {"a": 1, "b": 2})), "It is 3.", '{"total": 3}', output_type=Total)
    result = await made.run("go")
    assert result.output == Total(total=3)
    assert result.text == "It is 3."
    assert result.usage.calls == 3


async def test_a_structured_answer_that_never_fits() -> None:
    made = agent("It is 3.", *["prose"] * 9, output_type=Total)
    with pytest.raises(ModelError) as caught:
        await made.run("go")
    assert caught.value.code == "model_malformed_reply"


# ---- as a step of a plan -----------------------------------------------------------------------


async def run(*documents: Any, tools: Any, task: Any = "x", **options: Any) -> RunResult:
    async with runtime(list(documents), tools, **options) as rt:
        return await asyncio.wait_for(rt.run(task), SECONDS)


HELP = plan(step("h", "helper", task="1 + 2"), answer="${h}")


async def test_an_agent_is_a_tool_of_plans_and_its_calls_are_recorded() -> None:
    made = agent(calls(("add", {"a": 1, "b": 2})), "It is 3.")
    result = await run(HELP, tools=[made])
    assert (result.status, result.answer) == ("succeeded", "It is 3.")
    assert result.usage.calls == 3
    asked = [(e.purpose, e.step_id) for e in result.events if isinstance(e, ModelCalled)]
    assert asked == [("plan", None), ("agent", "h"), ("agent", "h")]
    (called,) = [event for event in result.events if isinstance(event, ToolCalled)]
    assert (called.step_id, called.tool) == ("h", "add")
    assert called.arguments.value == {"a": 1, "b": 2}
    assert called.output is not None
    assert called.output.value == 3


async def test_a_structured_agent_hands_on_its_value() -> None:
    made = agent("three", '{"total": 3}', output_type=Total)
    result = await run(plan(step("h", "helper", task="x"), answer="${h.total}"), tools=[made])
    assert result.answer == 3


async def test_an_agent_without_a_model_uses_that_of_the_runtime() -> None:
    made = Agent("helper", "You help.")
    assert (
        await run(HELP, "said by the Runtime's", tools=[made])
    ).answer == "said by the Runtime's"


async def test_an_agent_calls_another_agent() -> None:
    inner = Agent(
        "adder",
        "You add.",
        tools=[add],
        model=ScriptedModel([calls(("add", {"a": 1, "b": 2})), "3"]),
    )
    made = agent(calls(("adder", {"task": "1 + 2"})), "It is 3.", tools=[inner])
    result = await run(HELP, tools=[made])
    assert result.answer == "It is 3."
    assert result.usage.calls == 5


async def test_what_an_inner_agent_fails_with_is_shown_to_the_outer_one() -> None:
    inner = Agent("adder", "You add.", model=ScriptedModel([ModelError("model_unreachable", "no")]))
    made = agent(calls(("adder", {"task": "1 + 2"})), "It is not there.", tools=[inner])
    result = await made.run("go")
    assert result.text == "It is not there."
    assert shown(made)[0].content.startswith("error: model_unreachable")


async def test_an_agent_that_fails_is_a_failed_step_with_its_code() -> None:
    made = agent(ModelError("model_unreachable", "no"))
    result = await run(tools=[made], task=Plan.from_wire(HELP))
    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.code, result.error.step_id) == ("model_unreachable", "h")


async def test_an_agent_has_the_effect_of_its_tools_and_is_approved_with_the_plan() -> None:
    made = agent(calls(("mail", {"to": "ann"})), "done", tools=[add, mail])
    assert made.as_tool(None).effect is Effect.IRREVERSIBLE
    assert agent(tools=[add]).as_tool(None).effect is Effect.READ
    assert agent(tools=[made]).as_tool(None).effect is Effect.IRREVERSIBLE
    waiting = await run(tools=[made], task=Plan.from_wire(HELP))
    assert waiting.status == "waiting"

    async def agree(request: ApprovalRequest) -> bool:
        return True

    result = await run(tools=[made], task=Plan.from_wire(HELP), approve=agree)
    assert result.answer == "done"
    assert shown(made)[0].content == "sent to ann"


async def test_the_calls_of_an_agent_count_against_the_budget_of_steps() -> None:
    made = agent(calls(*[("add", {"a": 1, "b": n}) for n in range(5)]), "done")
    result = await run(tools=[made], task=Plan.from_wire(HELP), budget=Budget(steps=4))
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "budget_exceeded"
    assert len([event for event in result.events if isinstance(event, ToolCalled)]) == 3


async def test_the_tokens_of_an_agent_count_against_the_budget() -> None:
    made = agent(*[calls(("add", {"a": 1, "b": 2}), text="x" * 400)] * 9)
    result = await run(tools=[made], task=Plan.from_wire(HELP), budget=Budget(tokens=150))
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "budget_exceeded"


async def test_cancelling_the_run_ends_the_agent_and_its_tools() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    @tool
    async def forever() -> None:
        """Never end."""
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    before = asyncio.all_tasks()
    made = agent(calls(("forever", {})), tools=[forever])
    async with runtime([], [made]) as rt, rt.stream(Plan.from_wire(HELP)) as running:
        await started.wait()
        running.cancel()
        async for _ in running:
            pass
    assert running.result.status == "cancelled"
    assert ended.is_set()
    assert asyncio.all_tasks() == before


async def test_an_agent_is_a_step_of_a_workflow() -> None:
    made = agent("It is 3.")

    @workflow
    def ask(text: str) -> Any:
        return f"<{made(text)}>"

    assert (await run(tools=[made], task=ask.plan("1 + 2"))).answer == "<It is 3.>"


async def test_the_serving_layer_is_told_what_follows() -> None:
    model = ScriptedModel(lambda request: "said")
    tools = [Agent("helper", "You help.", model=model), add]
    document = plan(
        step("first", "helper", task="x"),
        {**step("sum", "add", a=1, b=1), "after": ["first"]},
        {**step("last", "helper", task="y"), "after": ["sum"]},
        answer="${last}",
    )
    result = await run(tools=tools, task=Plan.from_wire(document))
    first, last = (request.hint for request in model.requests)
    assert first is not None
    assert last is not None
    assert {first.program_id, last.program_id} == {result.run_id}
    assert (first.purpose, first.step_id) == ("agent", "first")
    assert (first.next_tool, first.remaining_calls, first.last_call) == ("add", 1, False)
    assert (last.next_tool, last.remaining_calls) == (None, 0)

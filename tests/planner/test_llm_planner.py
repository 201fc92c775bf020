"""The LLM planner: steps while the model writes, and repair of what it got wrong."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from treadle import tool
from treadle.core.budget import Budget, BudgetMeter
from treadle.core.chat import ChatDelta, ChatRequest, Finished, Message, TextDelta
from treadle.core.clock import SystemClock
from treadle.core.errors import BudgetExceeded, ConfigError, InputError, ModelError, PlanError
from treadle.core.event_log import EventLog
from treadle.core.events import RepairRequested
from treadle.core.program import Program, current_program
from treadle.planner import Plan, Step
from treadle.planner.llm_planner import LLMPlanner
from treadle.planner.prompt import Prompts
from treadle.testing import ScriptedModel, ToolCalls
from treadle.tools import ToolRegistry


@tool(effect="pure")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def look(topic: str) -> str:
    """Look a topic up."""
    return topic


TOOLS = ToolRegistry([add, look])
GOOD = {"id": "a", "tool": "add", "args": {"a": 1, "b": 2}}
NEXT = {"id": "b", "tool": "add", "args": {"a": "${a}", "b": 2}}


async def planned(
    replies: list[Any], task: str = "do it", **options: Any
) -> tuple[list[Step], Plan, ScriptedModel, EventLog]:
    model = ScriptedModel(replies)
    log = EventLog("run", SystemClock())
    token = current_program.set(Program("run", BudgetMeter(Budget(), SystemClock()), log))
    try:
        history = options.pop("history", ())
        planner = LLMPlanner(model, Prompts(), **options)
        parts = [part async for part in planner.stream(task, TOOLS, history)]
    finally:
        current_program.reset(token)
    plan = parts.pop()
    assert isinstance(plan, Plan)
    steps = [part for part in parts if isinstance(part, Step)]
    return steps, plan, model, log


def repairs(log: EventLog) -> list[list[str]]:
    events = [event for event in log.events if isinstance(event, RepairRequested)]
    return [[error.code for error in event.errors] for event in events]


async def test_a_good_plan_takes_one_call() -> None:
    steps, plan, model, log = await planned([{"steps": [GOOD, NEXT], "answer": "${b}"}])
    assert [step.id for step in steps] == ["a", "b"]
    assert plan.steps == tuple(steps)
    assert len(model.requests) == 1
    assert repairs(log) == []
    assert all(step.on_failure == "replan" for step in steps)


async def test_steps_come_while_the_model_still_writes() -> None:
    seen_by_model: list[int] = []
    taken: list[Any] = []

    class Watched(ScriptedModel):
        async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
            for piece in ('{"steps": [', '{"id": "a", "tool": "look", "args": {"topic": "x"}}', ", ",
                          '{"id": "b", "tool": "look", "args": {"topic": "y"}}', "]}"):  # fmt: skip
                seen_by_model.append(len(taken))
                yield TextDelta(piece)
            yield Finished("stop")

    async for part in LLMPlanner(Watched([]), Prompts()).stream("do it", TOOLS):
        taken.append(part)
    assert seen_by_model == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ([{**GOOD, "tool": "ad"}, NEXT], [GOOD], "unknown_tool"),
        ([{**GOOD, "args": {"a": "x", "b": 1}}, NEXT], [GOOD], "invalid_arguments"),
        ([{**GOOD, "args": {"a": 1, "b": 1, "c": 1}}, NEXT], [GOOD], "invalid_arguments"),
        ([NEXT, GOOD], [NEXT], "forward_reference"),
        ([GOOD, NEXT, {**NEXT}], [{**NEXT, "id": "c"}], "duplicate_id"),
        ([GOOD, {**NEXT, "args": {"a": "${z}", "b": 1}}], [NEXT], "dangling_reference"),
        ([GOOD, {**NEXT, "when": "${a} >"}], [NEXT], "bad_condition"),
        ([GOOD, NEXT, None], [], "bad_step"),
        ([{**GOOD, "after": ["b"]}, NEXT], [GOOD, NEXT], "cycle"),
    ],
)
async def test_only_what_is_broken_is_asked_for_again(first: Any, second: Any, code: str) -> None:
    replies = [{"steps": first, "answer": "${b}"}, {"steps": second}]
    steps, plan, model, log = await planned(replies)
    assert {step.id for step in steps} >= {"a", "b"}
    assert len({step.id for step in steps}) == len(steps), "no step comes twice"
    assert code in repairs(log)[0]
    assert len(model.requests) == 2
    assert code in model.requests[1].messages[-1].content
    assert plan.answer is not None


async def test_a_reply_that_breaks_off_is_completed() -> None:
    cut = '{"steps": [' + str(GOOD).replace("'", '"') + ', {"id": "b", "to'
    steps, _plan, model, log = await planned([cut, {"steps": [NEXT], "answer": "${b}"}])
    assert [step.id for step in steps] == ["a", "b"]
    assert repairs(log) == [["plan_truncated"]]
    assert "stay as they are: a." in model.requests[1].messages[-1].content


async def test_a_wrong_answer_is_repaired() -> None:
    _, plan, _, log = await planned([{"steps": [GOOD], "answer": "${z}"}, {"answer": "${a}"}])
    assert plan.wire()["answer"] == "${a}"
    assert repairs(log) == [["dangling_reference"]]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("I would rather not.", "no_plan"),
        ("", "no_plan"),
        ({"steps": [{**GOOD, "tool": "fly"}]}, "unknown_tool"),
        ({"steps": []}, "empty_plan"),
        ('{"steps": [' * 3, "bad_plan plan_truncated"),
    ],
)
async def test_it_gives_up_after_two_repairs(reply: Any, code: str) -> None:
    model = ScriptedModel([reply] * 4)
    with pytest.raises(PlanError) as caught:
        async for _ in LLMPlanner(model, Prompts()).stream("do it", TOOLS):
            pass
    assert caught.value.code in code.split()
    assert len(model.requests) == 3 if code != "empty_plan" else len(model.requests) >= 1


async def test_a_models_own_error_passes_through() -> None:
    model = ScriptedModel([ModelError("model_bad_key", "no")])
    with pytest.raises(ModelError, match="model_bad_key"):
        async for _ in LLMPlanner(model, Prompts()).stream("do it", TOOLS):
            pass


async def test_a_cut_stream_is_repaired_or_named() -> None:
    class Cut(ScriptedModel):
        async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
            self.requests.append(request)
            yield TextDelta('{"steps": [{"id": "a", ')

    model = Cut([])
    with pytest.raises(ModelError, match="model_stream_cut"):
        async for _ in LLMPlanner(model, Prompts()).stream("do it", TOOLS):
            pass
    assert len(model.requests) == 3


async def test_a_model_that_writes_on_is_stopped() -> None:
    written = 0

    class Endless(ScriptedModel):
        async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
            nonlocal written
            yield TextDelta('{"steps": [], "answer": "done"}')
            while True:
                written += 1
                yield TextDelta("and another thing " * 10)

    parts = [part async for part in LLMPlanner(Endless([]), Prompts()).stream("do it", TOOLS)]
    assert isinstance(parts[-1], Plan)
    assert written < 100


async def test_what_does_not_change_comes_first_byte_for_byte() -> None:
    model = ScriptedModel(
        [{"steps": [{**GOOD, "tool": "x"}]}, {"steps": [GOOD]}, {"answer": "hi", "steps": []}]
    )
    planner = LLMPlanner(model, Prompts())
    earlier = (Message("user", "before"), Message("assistant", "was that"))
    async for _ in planner.stream("one", TOOLS):
        pass
    async for _ in planner.stream("two", TOOLS, earlier):
        pass
    first, repair, second = model.requests
    assert first.messages[0] == repair.messages[0] == second.messages[0]
    assert repair.messages[: len(first.messages)] == first.messages
    assert first.response_schema == second.response_schema
    assert second.messages[1:] == (*earlier, Message("user", "two"))
    prompt = first.messages[0].content
    assert "Add two numbers." in prompt
    assert "{tools}" not in prompt
    assert "{examples}" not in prompt


@pytest.mark.parametrize(
    ("task", "code"), [("", "empty_task"), (" \n", "empty_task"), ("x" * 300_000, "task_too_long")]
)
async def test_tasks_that_cannot_be_planned(task: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        async for _ in LLMPlanner(ScriptedModel([]), Prompts()).stream(task, TOOLS):
            pass
    assert caught.value.code == code


async def test_prompts_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_text("Plan in verse. {tools} {unknown}", "utf-8")
    model = ScriptedModel([{"steps": [], "answer": "x"}])
    async for _ in LLMPlanner(model, Prompts(tmp_path)).stream("do it", TOOLS):
        pass
    prompt = model.requests[0].messages[0].content
    assert prompt.startswith("Plan in verse. {")
    assert prompt.endswith("{unknown}")
    with pytest.raises(ConfigError, match="bad_prompts"):
        Prompts(tmp_path / "nowhere")
    (tmp_path / "plan.md").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="bad_prompts"):
        Prompts(tmp_path)


def test_a_value_that_looks_like_a_place_is_not_filled() -> None:
    filled = Prompts().fill(
        "observations", task="{remaining}", observations="{task}", remaining="3"
    )
    assert "{remaining}" in filled
    assert "{task}" in filled


class Pieces(ScriptedModel):
    """Streams the pieces of each reply as they are; CUT ends the stream at once."""

    def __init__(self, replies: list[Any]) -> None:
        super().__init__([])
        self.replies = iter(replies)

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        self.requests.append(request)
        reply: Any = next(self.replies)(request)
        for piece in reply.text.split("|"):
            if piece == "CUT":
                return
            yield TextDelta(piece)
        yield Finished("stop")


def cut(text: str) -> Any:
    return lambda request: ToolCalls((), text + "|CUT")


async def test_a_stream_cut_behind_the_plan_costs_nothing() -> None:
    model = Pieces([cut('{"steps": [], "answer": "x"}|```')])
    parts = [part async for part in LLMPlanner(model, Prompts()).stream("do it", TOOLS)]
    assert isinstance(parts[-1], Plan)
    assert len(model.requests) == 1


async def test_a_stream_cut_inside_the_plan_is_completed() -> None:
    first = '{"steps": [{"id": "a", "tool": "look", "args": {"topic": "x"}}, {"id": "b"'
    whole = first.removesuffix(', {"id": "b"') + '], "answer": "${a}"}'
    model = Pieces([cut(first), lambda request: ToolCalls((), whole)])
    parts = [part async for part in LLMPlanner(model, Prompts()).stream("do it", TOOLS)]
    assert [part.id for part in parts if isinstance(part, Step)] == ["a"], "not said twice"
    assert len(model.requests) == 2


async def test_a_chain_behind_a_broken_step_is_kept_and_not_asked_for() -> None:
    chain = [{**GOOD, "tool": "ad"}, NEXT, {**NEXT, "id": "c", "args": {"a": "${b}", "b": 1}}]
    steps, plan, model, log = await planned([{"steps": chain, "answer": "${c}"}, {"steps": [GOOD]}])
    assert [step.id for step in steps] == ["a", "b", "c"]
    assert repairs(log) == [["unknown_tool"]]
    assert "stay as they are: b, c." in model.requests[1].messages[-1].content
    assert plan.wire()["answer"] == "${c}"


async def test_a_repair_that_comes_in_an_unfortunate_order() -> None:
    last = {"id": "c", "tool": "add", "args": {"a": "${a}", "b": "${b}"}}
    broken = [{"id": each, "tool": "nope", "args": {}} for each in "abc"]
    steps, _, _, log = await planned([{"steps": broken}, {"steps": [NEXT, last, GOOD]}])
    assert [step.id for step in steps] == ["a", "b", "c"]
    assert repairs(log) == [["unknown_tool"] * 3]


async def test_a_repair_may_say_everything_again() -> None:
    truncated = '{"steps": [' + str(GOOD).replace("'", '"') + ","
    steps, _, _, log = await planned([truncated, {"steps": [GOOD, NEXT], "answer": "${b}"}])
    assert [step.id for step in steps] == ["a", "b"]
    assert repairs(log) == [["plan_truncated"]]


@pytest.mark.parametrize("allowed", [0, 1, 2, 4])
async def test_repairs_are_counted_and_reported(allowed: int) -> None:
    log = EventLog("run", SystemClock())
    token = current_program.set(Program("run", BudgetMeter(Budget(), SystemClock()), log))
    model = ScriptedModel([{"steps": [{**GOOD, "tool": "fly"}]}] * 9)
    try:
        with pytest.raises(PlanError, match="unknown_tool"):
            async for _ in LLMPlanner(model, Prompts(), max_repairs=allowed).stream("do it", TOOLS):
                pass
    finally:
        current_program.reset(token)
    asked = [event for event in log.events if isinstance(event, RepairRequested)]
    assert [event.attempt for event in asked] == list(range(1, allowed + 1))
    assert all(event.errors[0].step_id == "a" for event in asked)
    purposes = [request.hint.purpose for request in model.requests if request.hint]
    assert purposes == ["plan"] + ["repair"] * allowed


async def test_the_budget_refuses_a_repair() -> None:
    meter = BudgetMeter(Budget(tokens=1500), SystemClock())
    token = current_program.set(Program("run", meter, EventLog("run", SystemClock())))
    model = ScriptedModel(["no plan at all", {"steps": []}])
    try:
        with pytest.raises(BudgetExceeded):
            async for _ in LLMPlanner(model, Prompts()).stream("do it", TOOLS):
                pass
    finally:
        current_program.reset(token)
    assert len(model.requests) == 1


@pytest.mark.parametrize("chunk", [1, 3, 10_000])
async def test_prose_and_fences_around_a_plan(chunk: int) -> None:
    text = 'I use {tools}:\n```json\n{"steps": [], "answer": "x"}\n```\nDone {ok}.'
    model = ScriptedModel([text], chunk=chunk)
    parts = [part async for part in LLMPlanner(model, Prompts()).stream("do it", TOOLS)]
    assert len(parts) == 1
    assert len(model.requests) == 1


async def test_a_second_plan_is_asked_about() -> None:
    text = '{"steps": [], "answer": "x"} or {"steps": [], "answer": "y"}'
    _, plan, _, log = await planned([text, {"steps": [], "answer": "y"}])
    assert repairs(log) == [["second_plan"]]
    assert plan.wire()["answer"] == "y"


async def test_a_broken_reply_is_not_shown_again_at_full_length() -> None:
    broken = {"steps": [{**GOOD, "id": "x" * 500_000}]}
    _, _, model, _ = await planned([broken, {"steps": [GOOD]}])
    assert sum(len(message.content) for message in model.requests[1].messages[2:]) < 40_000

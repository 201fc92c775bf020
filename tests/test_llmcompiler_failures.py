"""The failures of the best-known LLM compiler, each impossible here: end to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from treadle import Runtime, tool
from treadle.core.chat import ChatRequest
from treadle.core.events import PlanReady, RepairRequested, StepStarted
from treadle.executor import RunResult
from treadle.testing import ScriptedModel

received: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_received() -> None:
    received.clear()


@tool(effect="pure")
async def give(value: Any) -> Any:
    """Give the value back."""
    received.append(value)
    return value


@tool(effect="pure")
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool
async def boom() -> str:
    """Fail."""
    raise ValueError("no such luck")


def step(step_id: str, name: str, **args: Any) -> dict[str, Any]:
    return {"id": step_id, "tool": name, "args": args}


async def run(*replies: Any) -> RunResult:
    async with Runtime(
        model=ScriptedModel(replies), tools=[give, add, boom], builtins=False
    ) as runtime:
        return await asyncio.wait_for(runtime.run("do it"), 10)


def repairs(result: RunResult) -> list[str]:
    asked = (event for event in result.events if isinstance(event, RepairRequested))
    return [error.code for event in asked for error in event.errors]


async def test_a_tool_that_raises_ends_its_step_and_not_the_run() -> None:
    plan = {"steps": [step("a", "boom"), step("b", "add", a=1, b=2)], "answer": "${b}"}
    result = await run(plan, {"action": "answer", "answer": "half of it: 3"})
    assert result.status == "succeeded"
    assert result.answer == "half of it: 3"
    failed, done = result.steps
    assert failed.error is not None
    assert failed.error.code == "tool_failed"
    assert "no such luck" in failed.error.message
    assert done.output == 3


async def test_a_price_is_not_taken_for_a_reference() -> None:
    text = "is $100 more than ${a}, or $1, or $a, or $${a}?"
    plan = {"steps": [step("a", "give", value="90"), step("b", "give", value=text)]}
    result = await run({**plan, "answer": "$100 > ${a}"})
    assert received == ["90", "is $100 more than 90, or $1, or $a, or ${a}?"]
    assert result.answer == "$100 > 90"


async def test_a_forward_reference_is_repaired_by_asking_again() -> None:
    late = step("a", "add", a=1, b=1)
    plan = {"steps": [step("b", "add", a="${a}", b=1), late], "answer": "${b}"}
    mended = {"steps": [step("b", "add", a="${a}", b=1)], "answer": "${b}"}
    result = await run(plan, mended)
    assert "forward_reference" in repairs(result)
    assert result.status == "succeeded"
    assert result.answer == 3


async def test_a_reference_to_nothing_is_repaired_by_asking_again() -> None:
    broken = {
        "steps": [step("b", "add", a="${nothing}", b=1), step("a", "add", a=1, b=1)],
        "answer": "${b}",
    }
    mended = {"steps": [step("b", "add", a="${a}", b=1)], "answer": "${b}"}
    result = await run(broken, mended)
    assert "dangling_reference" in repairs(result)
    assert result.status == "succeeded"
    assert result.answer == 3


async def test_a_multi_line_argument_keeps_its_step() -> None:
    text = 'def f():\n    return "a, b)"\n\n# ${not_this\n2. give(\\"x\\")\n'.replace("${", "$${")
    result = await run({"steps": [step("a", "give", value=text)], "answer": "${a}"})
    assert received == [text.replace("$${", "${")]
    assert result.answer == text.replace("$${", "${")


async def test_a_duplicate_id_never_overwrites() -> None:
    plan = {"steps": [step("a", "give", value=1), step("a", "give", value=2)], "answer": "${a}"}
    result = await run(plan, {"steps": [step("c", "give", value=2)], "answer": "${a} ${c}"})
    assert repairs(result) == ["duplicate_id"]
    assert result.answer == "1 2"
    assert sorted(received) == [1, 2]


async def test_a_truncated_plan_is_completed_by_asking_again() -> None:
    cut = '{"steps": [{"id": "a", "tool": "give", "args": {"value": 1}}, {"id": "b", "tool": "gi'
    result = await run(cut, {"steps": [step("b", "give", value=2)], "answer": "${a} ${b}"})
    assert repairs(result) == ["plan_truncated"]
    assert result.answer == "1 2"
    assert received == [1, 2]


async def test_a_plan_that_stays_truncated_fails_with_its_code() -> None:
    cut = '{"steps": [{"id": "a", "tool": "give", "args": {"value": 1}}, {"id": "b"'
    result = await run(cut, "[", "")
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code in {"plan_truncated", "no_plan"}
    assert result.steps[0].output == 1  # what was done is kept


async def test_a_ready_step_does_not_wait_for_the_planners_next_line() -> None:
    started = asyncio.Event()

    @tool
    async def signal() -> str:
        """Say that it has started."""
        started.set()
        return "done"

    class Hesitating(ScriptedModel):
        """Writes the second half of its plan only once the first step runs."""

        async def stream(self, request: ChatRequest) -> AsyncIterator[Any]:
            written = ""
            async for delta in super().stream(request):
                written += getattr(delta, "text", "")
                if '"b"' in written:
                    await started.wait()
                yield delta

    plan = {"steps": [step("a", "signal"), step("b", "give", value="${a}")], "answer": "${b}"}
    async with Runtime(model=Hesitating([plan]), tools=[signal, give], builtins=False) as runtime:
        result = await asyncio.wait_for(runtime.run("do it"), 10)
    assert result.answer == "done"
    kinds = [type(event) for event in result.events]
    assert kinds.index(StepStarted) < kinds.index(PlanReady)


async def test_references_inside_nested_lists_and_objects_are_resolved() -> None:
    nested = {"list": [["${a}"], {"x": "${a.k[1]}"}], "text": "<${a.k[0]}>"}
    plan = {
        "steps": [step("a", "give", value={"k": [1, 2]}), step("b", "give", value=nested)],
        "answer": "done",
    }
    await run(plan)
    assert received[1] == {"list": [[{"k": [1, 2]}], {"x": 2}], "text": "<1>"}


@pytest.mark.parametrize("value", [7, 1.5, True, None, [1, [2]], {"k": None}, "7"])
async def test_a_result_keeps_its_type(value: Any) -> None:
    plan = {
        "steps": [step("a", "give", value=value), step("b", "give", value="${a}")],
        "answer": {"whole": "${b}", "in_text": "x${b}"},
    }
    result = await run(plan)
    assert received == [value, value]
    assert type(received[1]) is type(value)
    assert isinstance(result.answer, dict)
    assert result.answer["whole"] == value
    assert isinstance(result.answer["in_text"], str)

"""The Runtime: what runs share, how they are started, and how everything is closed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.agents.conftest import (
    SECONDS,
    SUM,
    TOOLS,
    Forever,
    add,
    check_record,
    plan,
    runtime,
    step,
)

from treadle import Runtime, tool, workflow
from treadle.core.budget import Budget
from treadle.core.chat import ChatRequest, Message, TextDelta
from treadle.core.errors import ConfigError, InputError, PlanError, RunError
from treadle.core.events import ModelCalled, StepStarted
from treadle.core.settings import load_settings
from treadle.planner import Plan
from treadle.testing import FakeClock, ScriptedModel


async def test_fifty_runs_share_one_runtime() -> None:
    together = asyncio.Event()
    running = 0

    @tool
    async def meet(number: int) -> int:
        """Wait for all the others."""
        nonlocal running
        running += 1
        if running == 50:
            together.set()
        await together.wait()
        return number

    def reply(request: ChatRequest) -> dict[str, Any]:
        number = int(request.messages[-1].content)
        return plan(
            step("a", "meet", number=number), step("b", "add", a="${a}", b=1), answer="${b}"
        )

    before = asyncio.all_tasks()
    async with runtime(reply, [meet, add]) as rt:
        results = await asyncio.wait_for(
            asyncio.gather(*(rt.run(str(number)) for number in range(50))), SECONDS
        )
    assert [each.answer for each in results] == [number + 1 for number in range(50)]
    assert len({each.run_id for each in results}) == 50
    for each in results:
        check_record(each)
        assert {event.run_id for event in each.events} == {each.run_id}
        assert each.usage.calls == 1
    assert asyncio.all_tasks() == before


async def test_closing_while_runs_go_on_cancels_them() -> None:
    before = asyncio.all_tasks()
    forever = Forever()
    async with runtime(lambda request: plan(step("f", "forever")), [forever.tool]) as rt:
        runs = [asyncio.ensure_future(rt.run("x")) for _ in range(3)]
        await forever.started.wait()
        await asyncio.wait_for(rt.aclose(), SECONDS)
        results = await asyncio.gather(*runs)
    assert [each.status for each in results] == ["cancelled"] * 3
    for each in results:
        check_record(each)
    assert asyncio.all_tasks() == before


async def test_closing_twice_is_once_and_closes_the_model() -> None:
    class Counting(ScriptedModel):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    model = Counting()
    async with Runtime(model=model, builtins=False) as rt:
        await rt.aclose()
    assert model.closed == 1


async def test_a_closed_runtime_says_so() -> None:
    async with runtime([SUM]) as rt:
        node = rt.as_langgraph_node()
    for use in (lambda: rt.run("x"), lambda: rt.plan("x"), lambda: node({"task": "x"})):
        with pytest.raises(RunError) as caught:
            await use()
        assert caught.value.code == "runtime_closed"
    with pytest.raises(RunError):
        rt.stream("x")


def test_run_sync_twice_in_a_row() -> None:
    rt = Runtime(model=ScriptedModel([SUM, SUM]), tools=TOOLS, builtins=False)
    assert [rt.run_sync("x").answer for _ in range(2)] == ["it is 5", "it is 5"]


def test_run_sync_takes_the_options_of_run() -> None:
    rt = Runtime(model=ScriptedModel([]), tools=TOOLS, builtins=False)
    result = rt.run_sync(
        Plan.from_wire(plan(step("a", "add", a=1, b=2), answer="${a}")),
        output_type=int,
        budget=Budget(steps=1),
    )
    assert result.output == 3


def test_run_sync_ends_though_a_tool_ignores_its_cancellation() -> None:
    @tool(timeout=0.05)
    async def stubborn() -> None:
        """Never end."""
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    rt = Runtime(model=ScriptedModel([]), tools=[stubborn], builtins=False)
    result = rt.run_sync(Plan.from_wire(plan(step("a", "stubborn"))))
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "tool_timeout"


async def test_run_sync_inside_a_loop_says_what_to_do() -> None:
    async with runtime([SUM]) as rt:
        with pytest.raises(RunError) as caught:
            rt.run_sync("x")
    assert caught.value.code == "event_loop_running"


async def test_run_sync_from_a_thread_beside_a_loop() -> None:
    rt = Runtime(model=ScriptedModel([SUM]), tools=TOOLS, builtins=False)
    assert (await asyncio.to_thread(rt.run_sync, "x")).answer == "it is 5"
    assert threading.current_thread() is threading.main_thread()


async def test_plan_makes_a_plan_and_runs_nothing() -> None:
    called: list[int] = []

    @tool
    async def count() -> int:
        """Count."""
        called.append(1)
        return 1

    async with runtime([plan(step("a", "count"), answer="${a}")], [count]) as rt:
        made = await rt.plan("count")
        assert not called
        assert [each.id for each in made.steps] == ["a"]
        assert (await rt.run(made)).answer == 1
    assert called == [1]


async def test_plan_raises_what_is_wrong() -> None:
    async with runtime(lambda request: "prose") as rt:
        with pytest.raises(PlanError) as bad_plan:
            await rt.plan("x")
        with pytest.raises(InputError) as bad_task:
            await rt.plan(" ")
    assert (bad_plan.value.code, bad_task.value.code) == ("no_plan", "empty_task")


async def test_the_history_goes_to_the_planner() -> None:
    model = ScriptedModel([SUM, SUM])
    history = (Message("user", "earlier"), Message("assistant", "said"))
    async with runtime([], model=model) as rt:
        await rt.run("now", history=history)
        await rt.plan("now", history=history)
    for request in model.requests:
        assert request.messages[1:] == (*history, Message("user", "now"))


async def test_what_does_not_change_comes_first_and_stays_the_same() -> None:
    model = ScriptedModel(lambda request: SUM)
    async with runtime([], model=model) as rt:
        await rt.run("one")
        await rt.run("another")
    first, second = (request.messages[0] for request in model.requests)
    assert first == second
    assert model.requests[0].response_schema == model.requests[1].response_schema


async def test_as_json_has_the_shape_that_is_promised() -> None:
    clock = FakeClock(start=0.0)
    async with runtime([SUM], clock=clock, new_id=lambda: "run_1") as rt:
        document = (await rt.run("x")).as_json()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(document) == ["run_id", "status", "answer", "plan", "steps", "usage"]
    time = "1970-01-01T00:00:00.000000+00:00"
    assert document["run_id"] == "run_1"
    assert (document["status"], document["answer"]) == ("succeeded", "it is 5")
    common = {"tool": "add", "status": "succeeded", "started": time, "finished": time}
    assert document["steps"] == [
        {"id": "a", **common, "output": 3},
        {"id": "b", **common, "output": 5},
    ]
    assert isinstance(document["plan"], dict)
    assert Plan.from_wire(document["plan"])["b"].args == {"a": "${a}", "b": 2}
    assert isinstance(document["usage"], dict)
    assert document["usage"]["model_calls"] == 1


async def test_as_json_of_a_failed_run() -> None:
    async with runtime([]) as rt:
        failed = Plan.from_wire(plan(step("a", "boom"), step("b", "add", a="${a}", b=1)))
        document = (await rt.run(failed)).as_json()
    assert document["status"] == "failed"
    assert document["error"] == {"code": "broken", "message": "it broke", "step": "a"}
    assert isinstance(document["steps"], list)
    first, second = document["steps"]
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert "output" not in first
    assert first["error"] == document["error"]
    assert (second["status"], second["started"]) == ("skipped", None)
    json.dumps(document, allow_nan=False)


async def test_a_run_inside_a_tool_counts_against_the_outer_budget() -> None:
    inner_plan = Plan.from_wire(plan(*(step(f"s{n}", "add", a=1, b=n) for n in range(5))))

    @tool
    async def nested() -> str:
        """Run a plan."""
        return str((await rt.run(inner_plan)).status)

    async with runtime([], [nested, add]) as rt:
        outer = plan(step("n", "nested"), step("a", "add", a=1, b=1), answer="${n}")
        assert (await rt.run(Plan.from_wire(outer), budget=Budget(steps=7))).answer == "succeeded"
        outer["steps"][1]["after"] = ["n"]
        result = await rt.run(Plan.from_wire(outer), budget=Budget(steps=4))
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "budget_exceeded"


async def test_a_sync_tool_sees_the_program_and_blocks_nothing() -> None:
    both = threading.Barrier(2, timeout=SECONDS)

    @tool
    def meet() -> str:
        """Wait for the other."""
        both.wait()
        return "met"

    async with runtime([], [meet]) as rt:
        document = plan(step("a", "meet"), step("b", "meet"), answer="${a} ${b}")
        assert (await rt.run(Plan.from_wire(document))).answer == "met met"


async def test_large_outputs_go_with_the_runtime_unless_a_folder_is_given(tmp_path: Path) -> None:
    @tool
    async def huge() -> str:
        """Much."""
        return "x" * 1_000_000

    document = Plan.from_wire(plan(step("a", "huge"), answer="${a}"))
    for folder in (None, tmp_path / "kept"):
        async with runtime([], [huge], artifacts=folder) as rt:
            result = await rt.run(document)
            output = result.steps[0].output
            assert isinstance(output, dict)
            path = Path(str(output["path"]))
            assert json.loads(path.read_text()) == "x" * 1_000_000
            assert result.answer == "x" * 1_000_000, "an answer is given whole"
        assert path.exists() is (folder is not None)


async def test_a_workflow_runs_like_any_plan() -> None:
    @workflow
    def sums(x: int) -> Any:
        first = add(x, 1)
        return f"{first} and {add(first, 1)}"

    async with runtime([]) as rt:
        assert (await rt.run(sums.plan(1))).answer == "2 and 3"


async def test_hints_tell_the_planners_calls_from_the_joiners() -> None:
    model = ScriptedModel([plan(step("a", "add", a=1, b=2)), {"action": "answer", "answer": "3"}])
    async with runtime([], model=model) as rt:
        result = await rt.run("x")
    hints = [request.hint for request in model.requests]
    assert [hint.purpose for hint in hints if hint] == ["plan", "join"]
    assert {hint.program_id for hint in hints if hint} == {result.run_id}
    assert [event.purpose for event in result.events if isinstance(event, ModelCalled)] == [
        "plan",
        "join",
    ]


@pytest.mark.parametrize(
    ("options", "code"),
    [({"max_parallel": 0}, "bad_max_parallel"), ({"workspace": "/no/such"}, "bad_workspace")],
)
def test_what_cannot_be_used_is_refused_at_once(options: dict[str, Any], code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Runtime(model=ScriptedModel(), builtins=False, **options)
    assert caught.value.code == code


async def test_max_parallel_holds_for_a_run() -> None:
    running = peak = 0

    @tool
    async def work(n: int) -> int:
        """Work."""
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return n

    document = Plan.from_wire(plan(*(step(f"s{n}", "work", n=n) for n in range(20))))
    async with runtime([], [work], max_parallel=3) as rt:
        result = await rt.run(document)
    assert peak == 3
    assert len([event for event in result.events if isinstance(event, StepStarted)]) == 20


async def test_a_plan_of_ten_thousand_steps_runs_from_end_to_end() -> None:
    steps = [step(f"s{n}", "add", a=f"${{s{n - 1}}}" if n % 2 else n, b=1) for n in range(10_000)]
    async with runtime([]) as rt:
        result = await rt.run(Plan.from_wire(plan(*steps, answer="${s9999}")))
    check_record(result)
    assert result.answer == 10_000
    assert len(result.steps) == 10_000


async def test_an_output_that_cannot_be_stored_fails_its_step_only(tmp_path: Path) -> None:
    @tool
    async def huge() -> str:
        """Much."""
        return "x" * 1_000_000

    (tmp_path / "file").write_text("in the way")
    document = plan(
        step("h", "huge"),
        {**step("many", "huge"), "for_each": [1, 2]},
        step("a", "add", a=1, b=1),
    )
    async with runtime([], [huge, add], artifacts=tmp_path / "file") as rt:
        result = await rt.run(Plan.from_wire(document))
    check_record(result)
    assert [each.status for each in result.steps] == ["failed", "failed", "succeeded"]
    assert result.error is not None
    assert result.error.code == "artifact_failed"


async def test_a_long_answer_needs_no_place_to_be_stored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    model = ScriptedModel([{"steps": [], "answer": "x" * 200_000}], chunk=1000)
    async with runtime([], model=model, artifacts=tmp_path / "file") as rt:
        result = await rt.run("much")
    check_record(result)
    assert result.answer == "x" * 200_000


async def test_a_model_that_never_ends_is_given_up(tmp_path: Path) -> None:
    class Endless(ScriptedModel):
        async def stream(self, request: ChatRequest) -> AsyncIterator[Any]:
            while True:
                await asyncio.sleep(0)
                yield TextDelta("and so on, ")

    settings = load_settings({"TREADLE_MODEL_TIMEOUT": "0.3"}, tmp_path / "none")
    async with runtime([], model=Endless(), settings=settings) as rt:
        result = await asyncio.wait_for(rt.run("x"), SECONDS)
    check_record(result)
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code in {"model_timeout", "model_runaway", "no_plan"}

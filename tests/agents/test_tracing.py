"""What a Runtime with a tracer exports, with the SDK's own exporter."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer
from tests.agents.nested_world import child_plan, open_both
from tests.crashing import SECONDS, crash, open_runtime

from treadle import Plan, Runtime, tool
from treadle.core.errors import ToolError
from treadle.testing import ScriptedModel


class Spans:
    """A tracer, and the spans that it has made."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer: Tracer = provider.get_tracer("test")

    def ended(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> ReadableSpan:
        (found,) = [each for each in self.ended() if each.name == name]
        return found

    def tree(self) -> dict[str, str | None]:
        """The name of the span above, by name."""
        by_id = {each.context.span_id: each.name for each in self.ended() if each.context}
        return {
            each.name: None if each.parent is None else by_id.get(each.parent.span_id)
            for each in self.ended()
        }


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def inner(spans: Spans) -> list[Any]:
    """Tools that make spans of their own."""

    @tool
    async def seen(x: Any) -> Any:
        """Make a span."""
        with spans.tracer.start_as_current_span(f"inside {x}"):
            await asyncio.sleep(0)
        return x

    @tool
    def threaded(x: Any) -> Any:
        """Make a span in a thread."""
        with spans.tracer.start_as_current_span(f"inside {x}"):
            return x

    @tool
    async def broken(x: Any) -> Any:
        """Fail."""
        raise ToolError("broken", f"secret {x}")

    @tool
    async def stuck(x: Any) -> Any:
        """Never end."""
        await asyncio.Event().wait()

    return [seen, threaded, broken, stuck]


def runtime(spans: Spans, tools: Any, **options: Any) -> Runtime:
    return Runtime(
        model=ScriptedModel([]), tools=tools, builtins=False, tracer=spans.tracer, **options
    )


def plan(*steps: tuple[str, str, Any], answer: Any = "done") -> Plan:
    """Steps in a chain: (id, tool, x)."""
    made: list[Any] = []
    for step_id, name, x in steps:
        step: dict[str, Any] = {"id": step_id, "tool": name, "args": {"x": x}}
        if made:
            step["after"] = [made[-1]["id"]]
        made.append(step)
    return Plan.from_wire({"steps": made, "answer": answer})


async def test_steps_lie_beneath_the_run_and_what_they_do_beneath_them(
    spans: Spans, inner: Any
) -> None:
    async with runtime(spans, inner) as opened:
        with spans.tracer.start_as_current_span("request"):
            result = await opened.run(plan(("a", "seen", 1), ("b", "threaded", 2)))
    assert result.status == "succeeded"
    assert spans.tree() == {
        "request": None,
        "invoke_agent treadle": "request",
        "execute_tool seen": "invoke_agent treadle",
        "inside 1": "execute_tool seen",
        "execute_tool threaded": "invoke_agent treadle",
        "inside 2": "execute_tool threaded",
    }
    root = spans.named("invoke_agent treadle")
    assert root.attributes is not None
    assert root.attributes["treadle.run.id"] == result.run_id


async def test_items_of_a_fan_out_lie_beneath_its_step(spans: Spans, inner: Any) -> None:
    steps: Any = [{"id": "a", "tool": "seen", "args": {"x": "${item}"}, "for_each": [1, 2, 3]}]
    async with runtime(spans, inner) as opened:
        result = await opened.run(Plan.from_wire({"steps": steps, "answer": "${a}"}))
    assert result.status == "succeeded"
    tree = spans.tree()
    assert {tree[f"inside {x}"] for x in (1, 2, 3)} == {"execute_tool seen"}


async def test_the_context_of_the_caller_is_as_it_was(spans: Spans, inner: Any) -> None:
    async with runtime(spans, inner) as opened:
        before = trace.get_current_span()
        await opened.run(plan(("a", "seen", 1)))
        assert trace.get_current_span() is before


@pytest.mark.parametrize("content", [False, True])
async def test_a_failure_says_no_more_than_asked_for(
    spans: Spans, inner: Any, content: bool
) -> None:
    async with runtime(spans, inner, capture_content=content) as opened:
        assert (await opened.run(plan(("a", "broken", 1)))).status == "failed"
    step = spans.named("execute_tool broken")
    assert step.attributes is not None
    assert step.attributes["error.type"] == "broken"
    assert not step.status.is_ok
    everything = "".join(each.to_json() for each in spans.ended())
    assert ("secret" in everything) is content


async def test_a_cancelled_run_ends_its_spans(spans: Spans, inner: Any) -> None:
    async with runtime(spans, inner) as opened, opened.stream(plan(("a", "stuck", 1))) as run:
        async for event in run:
            if type(event).__name__ == "StepStarted":
                run.cancel()
    assert spans.tree() == {
        "invoke_agent treadle": None,
        "execute_tool stuck": "invoke_agent treadle",
    }
    root = spans.named("invoke_agent treadle")
    assert root.attributes is not None
    assert root.attributes["treadle.run.status"] == "cancelled"


async def test_a_resumed_run_exports_only_what_it_does_now(spans: Spans, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    wire = plan(("a", "look", 1), ("b", "put", 2), ("c", "look", 3)).wire()
    (tmp_path / "die-early-2").touch()
    crash(url, tmp_path, wire)
    (tmp_path / "die-early-2").unlink()
    async with open_runtime(url, tmp_path, tracer=spans.tracer) as opened:
        assert (await opened.resume("run-1")).status == "succeeded"
        assert sorted(each.name for each in spans.ended()) == [
            "execute_tool look",
            "execute_tool put",
            "invoke_agent treadle",
        ]
        looked = spans.named("execute_tool look")
        assert looked.attributes is not None
        assert looked.attributes["treadle.step.id"] == "c"
        # One that has ended already has nothing to tell.
        before = len(spans.ended())
        await opened.resume("run-1")
        assert len(spans.ended()) == before


async def test_undo_in_another_process_has_spans(spans: Spans, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    first, within = open_both(url, tmp_path, child_plan("look"))
    async with within, first:
        await first.run(plan(("a", "note", "n")))
    second, within = open_both(url, tmp_path, child_plan("look"), tracer=spans.tracer)
    async with within, second:
        await second.undo("run-1")
    assert [each.name for each in spans.ended()] == ["undo note"]


async def test_a_run_within_lies_beneath_its_step(spans: Spans, tmp_path: Path) -> None:
    outer, within = open_both(None, tmp_path, child_plan("look"), tracer=spans.tracer)
    steps: Any = [{"id": "sub", "tool": "helper"}]
    async with asyncio.timeout(SECONDS), within, outer:
        result = await outer.run(Plan.from_wire({"steps": steps, "answer": "${sub}"}))
    assert result.status == "succeeded"
    by_id = {each.context.span_id: each for each in spans.ended() if each.context is not None}
    looked = spans.named("execute_tool look")
    path: list[str] = []
    span: ReadableSpan | None = looked
    while span is not None:
        path.append(span.name)
        span = None if span.parent is None else by_id.get(span.parent.span_id)
    assert path == [
        "execute_tool look",
        "invoke_agent treadle",
        "execute_tool helper",
        "invoke_agent treadle",
    ]


async def test_without_a_tracer_nothing_is_exported(spans: Spans, inner: Any) -> None:
    async with Runtime(model=ScriptedModel([]), tools=inner, builtins=False) as opened:
        await opened.run(plan(("a", "seen", 1)))
    assert [each.name for each in spans.ended()] == ["inside 1"]

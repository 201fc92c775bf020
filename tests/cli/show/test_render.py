"""What `treadle show` prints: safe, complete, bounded."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.hand_made import Events
from tests.cli.show.recorded import HOSTILE, MIXED, events_of, run_plan, step

from treadle import Plan
from treadle.cli.show import render
from treadle.core.clock import iso_time
from treadle.core.errors import ErrorInfo, InputError
from treadle.core.events import (
    ApprovalRequested,
    Event,
    PlanReady,
    RunFinished,
    RunResumed,
    RunStarted,
    StepFinished,
    StepPlanned,
    StepStarted,
)
from treadle.core.payload import Payload
from treadle.planner.draw import to_mermaid

FORMATS = ("text", "json", "mermaid", "html")
DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
EMPTY = frozenset({"meta", "br", "img", "link", "base", "input", "hr", "embed"})
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div", "pre"),
    *("table", "thead", "tbody", "tr", "th", "td", "details", "summary"),
    *("svg", "g", "rect", "path", "text", "line"),
}


class Page(HTMLParser):
    """Reads a page and checks that its tags match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def checked(text: str) -> Page:
    page = Page(text)
    assert set(page.tags) <= ALLOWED
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not {name for name, _ in page.attributes} & {"href", "src", "style", "xlink:href"}
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        # XML knows two characters less than HTML.
        ElementTree.fromstring(re.sub("[\ufffe\uffff]", "", svg))
    return page


def render_text(events: Sequence[Event], width: int = 100) -> str:
    return render(events, "text", width=width, color=False)


def wide(count: int) -> list[Event]:
    make = Events()
    events = [make(RunStarted)]
    events += [
        make.planned(f"s{index}", *([f"s{index - 1}"] if index % 2 else []))
        for index in range(count)
    ]
    for index in range(count):
        status = "failed" if index == count - 1 else "succeeded"
        events.append(make(StepStarted, step_id=f"s{index}"))
        events.append(make(StepFinished, step_id=f"s{index}", status=status))
    return [*events, make(RunFinished, status="failed")]


async def test_the_text_names_states_path_and_errors_without_colour() -> None:
    events = await events_of(*MIXED)
    text = render_text(events)
    assert events[0].run_id in text
    assert "5 succeeded, 1 failed, 1 skipped" in text
    assert re.search(r"✗ e: fail  failed .*, 2 attempts", text)
    assert re.search(r"↷ f: give  skipped", text)
    assert re.search(r"✓ g: give  succeeded .*3/3 items", text)
    assert "* Critical path" in text
    assert "tool_failed" in text
    assert "█" in text
    assert "~" in text


@pytest.mark.parametrize("form", FORMATS)
async def test_nothing_dangerous_comes_through(form: str) -> None:
    out = render(await events_of(*MIXED), form, width=100, color=False)
    assert not DANGEROUS.search(out)
    assert out.endswith("\n")


async def test_lines_keep_to_the_width() -> None:
    for line in render_text(await events_of(*MIXED), width=60).splitlines():
        assert len(line) <= 60


async def test_colour_says_nothing_that_is_not_in_the_text() -> None:
    events = await events_of(*MIXED)
    coloured = render(events, "text", width=100, color=True)
    assert "\x1b[" in coloured
    plain = [line.rstrip() for line in render_text(events).splitlines()]
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in stripped.splitlines()] == plain


@pytest.mark.parametrize(("form", "most"), [("text", 60_000), ("html", 1_500_000)])
def test_ten_thousand_steps_are_capped_with_a_count(form: str, most: int) -> None:
    out = render(wide(10_000), form, width=100, color=False)
    assert "of 10,000 steps more" in out
    assert "s9999" in out  # what failed is among what is shown
    assert len(out) < most
    if form == "html":
        checked(out)


async def test_the_html_page_holds_everything_and_loads_nothing() -> None:
    events = await events_of(*MIXED)
    text = render(events, "html")
    page = checked(text)
    assert page.tags.count("svg") == 2
    assert page.tags.count("table") == 1
    policy = dict(page.attributes)["content"] is not None and next(
        value for _, value in page.attributes if value and value.startswith("default-src")
    )
    assert "default-src 'none'" in str(policy)
    assert "unsafe" not in str(policy)
    assert "http" not in text.replace("http-equiv", "")
    words = "".join(page.words)
    assert "<script>alert(1)</script>" in words  # told, as text
    assert "prefers-color-scheme: dark" in text


async def test_the_json_document_has_what_scripts_need() -> None:
    events = await events_of(*MIXED, answer="${d}")
    document = json.loads(render(events, "json"))
    assert document["run_id"] == events[0].run_id
    assert document["status"] == "failed"
    assert document["task"] is None
    assert document["started"] == iso_time(events[0].at)
    assert document["finished"] == iso_time(events[-1].at)
    assert document["usage"]["model_calls"] == 0
    assert set(document["critical_path"]) <= set("abcdefg")
    assert document["children"] == []
    steps = {each["id"]: each for each in document["steps"]}
    assert set(steps["b"]) >= {
        "id", "tool", "status", "needs", "started", "finished", "seconds", "attempts", "error", "output",
    }  # fmt: skip
    assert steps["b"]["needs"] == ["a"]
    assert steps["b"]["output"] == HOSTILE
    assert steps["e"]["attempts"] == 2
    assert steps["e"]["error"]["code"] == "tool_failed"
    assert steps["f"]["status"] == "skipped"
    assert steps["g"]["items"] == {"done": 3, "total": 3, "failed": 0}


async def test_the_mermaid_chart_is_the_plan_with_states() -> None:
    steps: Any = [step("a", args={"value": 1}), step("b", "fail", args={"reason": "${a}"})]
    events = await events_of(*steps)
    chart = render(events, "mermaid")
    assert chart.startswith(to_mermaid(Plan.from_wire({"steps": steps})))
    assert "    class s0 succeeded;\n" in chart
    assert "    class s1 failed;\n" in chart
    assert "    class s0,s1 critical;\n" in chart


async def test_a_waiting_run_says_for_what_and_what_to_do() -> None:
    result = await run_plan(step("a"), step("w", "write", args={"to": "${a}"}))
    if result.status != "waiting":  # writes without undo ask; there is nobody here
        pytest.fail(f"the run {result.status}")
    text = render_text(result.events)
    assert "? waiting for approval: w" in text
    assert f"treadle approve {result.run_id} STEP" in text
    assert json.loads(render(result.events, "json"))["pending"] == ["w"]
    assert "Waiting for approval: w" in "".join(checked(render(result.events, "html")).words)


@pytest.mark.parametrize("form", FORMATS)
async def test_every_prefix_and_a_resumed_run_can_be_shown(form: str) -> None:
    events = list(await events_of(*MIXED))
    for count in range(0, len(events), 3):
        assert render(events[:count], form, width=80, color=False)
    later = events[-1].at + 60
    resumed = [
        *events,
        RunResumed(run_id=events[0].run_id, seq=len(events), at=later, reopened=("e",)),
    ]
    out = render(resumed, form, width=80, color=False)
    if form == "text":
        assert "running, or cut short" in out
        assert "1 time; 1:00 min left out" in out


async def test_erased_payloads_leave_the_rest_readable() -> None:
    events = await events_of(step("a", args={"value": "secret-a"}), answer="${a}")
    for event in events:
        for name in ("task", "step", "plan", "arguments", "output", "answer"):
            payload = getattr(event, name, None)
            if isinstance(payload, Payload):
                payload.erase()
    for form in FORMATS:
        out = render(events, form, width=100, color=False)
        assert "secret-a" not in out
    document = json.loads(render(events, "json"))
    assert (document["steps"][0]["output"], document["steps"][0]["erased"]) == (None, True)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        render([], "pdf")
    assert caught.value.code == "unknown_format"


def test_damaged_records_are_drawn_as_far_as_they_go() -> None:
    make = Events()
    events = [
        make(RunStarted, task=Payload("t")),
        make.planned("late", "early"),  # a patch has put it before what it needs
        make.planned("early", "nowhere"),
        make.planned("x", "y"),  # a circle, which no checked plan has
        make.planned("y", "x"),
        make(PlanReady, plan_hash="h", version=2, plan=Payload(None)),
        make(ApprovalRequested, plan_hash="h", step_ids=("late", "gone")),
    ]
    for form in FORMATS:
        out = render(events, form, width=80, color=False)
        assert "late" in out
        assert "early" in out


ANY_TEXT = st.text(st.characters(codec=None), max_size=30) | st.just(HOSTILE)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_TEXT, min_size=1, max_size=4, unique=True), ANY_TEXT, ANY_TEXT)
def test_no_text_can_break_out(ids: list[str], tool: str, text: str) -> None:
    make = Events()
    error = ErrorInfo(text, text)
    events: list[Event] = [make(RunStarted, task=Payload(text))]
    for index, step_id in enumerate(ids):
        wire = Payload({"id": step_id, "note": text, "tool": tool, "args": {text: text}})
        events.append(
            make(StepPlanned, step_id=step_id, tool=tool, needs=tuple(ids[:index]), step=wire)
        )
        events.append(make(StepStarted, step_id=step_id))
        events.append(
            make(StepFinished, step_id=step_id, status="failed", output=Payload(text), error=error)
        )
    events.append(make(RunFinished, status="failed", answer=Payload({text: [text]}), error=error))
    for form in FORMATS:
        out = render(events, form, width=80, color=False)
        out.encode("utf-8")
        assert not DANGEROUS.search(out)
    checked(render(events, "html"))
    assert json.loads(render(events, "json"))["steps"][0]["output"] == text

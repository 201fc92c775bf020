"""The picture of a run: bounded, whatever the run and the terminal are like."""

import io
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from tests.cli.hand_made import Events, folded

from treadle.cli.live import render
from treadle.cli.looks import seconds
from treadle.cli.run_view import RunView
from treadle.core.errors import ErrorInfo
from treadle.core.events import (
    Event,
    PlanningStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepProgress,
    StepRetrying,
    StepStarted,
)


def drawn(view: RunView, width: int = 80, height: int = 24) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, color_system=None)
    console.print(render(view, console))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_run_in_its_middle() -> None:
    event = Events()
    error = ErrorInfo("refused", "[bold]no[/bold] \x1b[2J\n:smile: " + "way " * 50)
    lines = drawn(
        folded(
            [
                event(RunStarted),
                event(PlanningStarted, model="m"),
                event.planned("fan"),
                event.planned("last", "fan", "bad"),
                event.planned("bad"),
                event(StepStarted, step_id="fan"),
                event(StepProgress, step_id="fan", done=12, total=40, index=3),
                event(StepStarted, step_id="bad"),
                event(StepRetrying, step_id="bad", attempt=1, delay=0.1, error=error),
                event(StepFinished, step_id="bad", status="failed", error=error),
            ]
        )
    )
    assert lines[0].startswith("planning… 3 steps  1 failed  1 running ")
    assert "12/40" in lines[1]
    assert lines[2].startswith(" ✗ bad")
    assert "1 retry  refused: [bold]no[/bold] \\x1b[2J :smile:" in lines[2]
    assert lines[3].startswith(" · └ last increase")
    assert "after fan, bad" in lines[3]
    assert lines[4:] == ["Ctrl-C stops the run"]


def test_a_step_stands_below_what_it_comes_after() -> None:
    event = Events()
    edges = {"a": "", "b": "", "c": "a", "d": "b", "e": "c", "f": "a", "g": "e b", "h": "lost"}
    planned = [event.planned(step_id, *needs.split()) for step_id, needs in edges.items()]
    lines = drawn(folded([event(RunStarted), *planned]))
    assert [line.split("increase")[0].rstrip() for line in lines[1:-1]] == [
        " · a", " · └ c", " ·   └ e", " ·     └ g", " · └ f", " · b", " · └ d", " · h",
    ]  # fmt: skip


def big_run(count: int) -> list[Event]:
    event = Events()
    events = [event(RunStarted), *(event.planned(f"s{number}") for number in range(count))]
    error = ErrorInfo("broken", "it broke")
    for number in range(count - 50):
        events.append(event(StepStarted, step_id=f"s{number}"))
    for number in range(count - 100):
        failed = number % 10 == 0
        events.append(
            event(
                StepFinished,
                step_id=f"s{number}",
                status="failed" if failed else "succeeded",
                error=error if failed else None,
            )
        )
    return events


def test_of_many_steps_those_that_matter_are_shown() -> None:
    lines = drawn(folded(big_run(10_000)))
    assert lines[0].startswith("8,910/10,000 steps  990 failed  50 running ")
    assert len(lines) <= 24
    assert any(line.startswith(" ✗ s0 ") for line in lines), "the first failure"
    assert any(" s9900 " in line for line in lines), "what runs the longest"
    assert any(line.startswith(" ✓ s9899 ") for line in lines), "the latest result"
    assert "  … 9,982 more steps" in lines


@settings(deadline=None, max_examples=50)
@given(
    width=st.integers(20, 160),
    height=st.integers(10, 60),
    ids=st.lists(
        st.text("abcxyz_-", min_size=1, max_size=80), min_size=1, max_size=70, unique=True
    ),
    message=st.text(max_size=300),
)
def test_it_is_never_larger_than_the_terminal(
    width: int, height: int, ids: list[str], message: str
) -> None:
    event = Events()
    events = [event(RunStarted)]
    for number, step_id in enumerate(ids):
        events.append(event.planned(step_id, *ids[max(0, number - 2) : number]))
    for step_id in ids[::2]:
        error = ErrorInfo("broken", message)
        events.append(event(StepStarted, step_id=step_id))
        events.append(event(StepFinished, step_id=step_id, status="failed", error=error))
    lines = drawn(folded(events), width, height)
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Threads take turns so often that whatever is not guarded breaks."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless_threads")
def test_it_can_be_drawn_while_events_come_in() -> None:
    view, done = RunView(), threading.Event()

    def draw() -> None:
        # An exception here is a warning of pytest's, and fails the test.
        while not done.is_set():
            drawn(view, height=300)

    screen = threading.Thread(target=draw)
    screen.start()
    for event in big_run(20_000):
        view.take(event)
    done.set()
    screen.join()


def test_at_the_end_nothing_says_how_to_stop_it() -> None:
    event = Events()
    view = folded([event(RunStarted), event(RunFinished, status="succeeded")])
    assert len(drawn(view)) == 1


@pytest.mark.parametrize(
    ("elapsed", "text"),
    [(0, "0 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (59.9, "59.9 s"), (59.96, "1:00 min"), (3725, "62:05 min")],
)  # fmt: skip
def test_durations_for_people(elapsed: float, text: str) -> None:
    assert seconds(elapsed) == text

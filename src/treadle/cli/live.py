"""The live DAG on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from treadle.cli.harmless import one_line
from treadle.cli.keys import unseen_keys
from treadle.cli.looks import GLYPHS, STOPPING, STYLES, seconds
from treadle.cli.run_view import Look, RunView, StepView
from treadle.core.events import PatchRefused

if TYPE_CHECKING:
    from treadle.core.events import Event

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PER_SECOND = 10
HINT = "Ctrl-C stops the run"
MOST_INDENT = 6
COUNTED: tuple[Look, ...] = ("failed", "skipped", "cancelled", "waiting", "running")
NARROW = 60
"""Columns below which the tools are left out: the notes say more."""


class LiveRun:
    """Shows a run while it goes on: `with LiveRun(console) as live: live.take(event)`.

    What tools print meanwhile appears above the picture.
    """

    def __init__(self, console: Console) -> None:
        self.view = RunView()
        self._console = console
        self._hint = HINT
        self._live = self._new_live()
        self._keys = ExitStack()

    def take(self, event: Event) -> None:
        """Fold in an event; the screen follows at its own pace."""
        self.view.take(event)
        if isinstance(event, PatchRefused):
            said = f"! a patch was refused: {one_line(str(event.error), 300)}"
            self._live.console.print(_line(said, style="yellow"))

    def pause(self) -> None:
        """Leave the screen to a question; the picture is wiped, it would go stale."""
        self._live.transient = True
        self._live.stop()
        self._keys.close()

    def resume(self) -> None:
        """Go on showing, below the question."""
        # A Live that starts again would draw over the lines that its last picture took.
        self._live = self._new_live()
        self._keys.enter_context(unseen_keys())
        self._live.start(refresh=True)

    def stopping(self) -> None:
        """Say so below the picture."""
        self._hint = STOPPING

    def abandon(self) -> None:
        """Leave the terminal usable where the process is about to end at once."""
        self._console.show_cursor(True)
        self._keys.close()

    def __enter__(self) -> LiveRun:
        self._keys.enter_context(unseen_keys())
        self._live.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._live.stop()
        self._keys.close()

    def _new_live(self) -> Live:
        return Live(
            console=self._console,
            get_renderable=lambda: render(self.view, self._console, self._hint),
            refresh_per_second=PER_SECOND,
        )


def render(view: RunView, console: Console, hint: str = HINT) -> Group:
    """The whole picture, at most as high as the terminal and never wider."""
    now = time.time()
    width = max(20, console.width)
    with view.lock:
        shown, hidden = _window(view, room=max(3, console.height - 6))
        parts: list[RenderableType] = [_header(view, now)]
        parts += _rows(shown, now, width)
        if hidden:
            parts.append(_line(f"  … {hidden:,} more steps", style="dim"))
        if view.planning or view.status is None:
            parts.append(_footer(view, hint))
    return Group(*parts)


def _window(view: RunView, room: int) -> tuple[list[StepView], int]:
    """The steps that are shown: all if they fit, else what failed, runs, or has just ended."""
    if len(view.steps) <= room:
        return _as_tree(view.steps), 0
    chosen: dict[str, StepView] = {}
    # The first failures say most, and so do the calls that have run the longest. Neither may
    # crowd out the other, or the latest results.
    third = max(1, room // 3)
    groups: tuple[Iterable[StepView], ...] = (
        islice(view.failed.values(), third),
        islice(view.running.values(), third),
        reversed(view.recent),
        view.running.values(),
        view.failed.values(),
    )
    for group in groups:
        for step in group:
            if len(chosen) >= room:
                break
            if view.steps.get(step.id) is step:
                chosen[step.id] = step
    ordered = sorted(chosen.values(), key=lambda step: step.started or float("inf"))
    return ordered, len(view.steps) - len(chosen)


def _as_tree(steps: Mapping[str, StepView]) -> list[StepView]:
    """Each step below the one that it comes after: of its needs, the last of the deepest."""
    below: dict[str | None, list[StepView]] = {}
    for step in steps.values():
        needs = [steps[need] for need in step.needs if need in steps]
        parent = max(reversed(needs), key=lambda need: need.depth, default=None)
        below.setdefault(None if parent is None else parent.id, []).append(step)
    ordered: list[StepView] = []
    waiting = below.pop(None, [])[::-1]
    while waiting:
        step = waiting.pop()
        ordered.append(step)
        waiting += below.pop(step.id, [])[::-1]
    return ordered


def _rows(steps: list[StepView], now: float, width: int) -> Iterable[Text]:
    """A line for each step: state, id, tool, time, and what there is to say."""
    labels = [_label(step) for step in steps]
    tools = [one_line(step.tool, 24) if width >= NARROW else "" for step in steps]
    label_width = min(max(map(cell_len, labels), default=0), max(10, width // 3))
    tool_width = max(map(cell_len, tools), default=0)
    for step, label, tool in zip(steps, labels, tools, strict=True):
        glyph = GLYPHS[step.look]
        if step.look == "running":
            glyph = FRAMES[int(now * PER_SECOND) % len(FRAMES)]
        elapsed = step.elapsed(now)
        row = _line(f" {glyph} ", style=STYLES[step.look])
        row.append(_fitted(label, label_width), style="default")
        if tool_width:
            row.append(f" {_fitted(tool, tool_width)}", style="dim")
        row.append(f" {'' if elapsed is None else seconds(elapsed):>8}  ", style="dim")
        row.append(_notes(step, width), style="red" if step.look == "failed" else "dim")
        yield row


def _label(step: StepView) -> str:
    """The id, indented by how far down the DAG the step stands."""
    indent = "  " * (min(step.depth, MOST_INDENT) - 1) + "└ " if step.depth else ""
    return indent + one_line(step.id, 40)


def _fitted(text: str, cells: int) -> str:
    """`text` in exactly `cells` columns."""
    if cell_len(text) > cells:
        return set_cell_size(text, cells - 1) + "…"
    return set_cell_size(text, cells)


def _notes(step: StepView, width: int) -> str:
    notes: list[str] = []
    if step.total:
        notes.append(f"{step.done:,}/{step.total:,}")
    if step.retries:
        notes.append(f"{step.retries} retr{'y' if step.retries == 1 else 'ies'}")
    if step.error is not None:
        # Why it was skipped or cancelled stands elsewhere: at the step that failed, at the end.
        whole = step.look == "failed"
        notes.append(one_line(str(step.error), width) if whole else step.error.code)
    elif step.needs and step.look == "planned":
        notes.append("after " + ", ".join(step.needs[:4]) + (" …" if len(step.needs) > 4 else ""))
    return "  ".join(notes)


def _header(view: RunView, now: float) -> Text:
    header = _line("")
    if view.planning:
        count = len(view.steps)
        so_far = f" {count:,} step{'' if count == 1 else 's'}" if count else ""
        header.append(f"planning…{so_far} ", style="bold cyan")
    else:
        done = f"{view.counts['succeeded']:,}/{len(view.steps):,} steps "
        header.append(done if view.steps else "no steps ", style="bold")
    for look in COUNTED:
        if view.counts[look]:
            header.append(f" {view.counts[look]:,} {look} ", style=STYLES[look])
    if view.started is not None:
        header.append(f" {seconds(max(0.0, now - view.started))} ", style="dim")
    extras = [
        f"{view.usage.total_tokens:,} tokens" if view.usage.total_tokens else "",
        f"cost {view.usage.cost:,.4g}" if view.usage.cost else "",
        f"{view.repairs} repair{'s' if view.repairs > 1 else ''}" if view.repairs else "",
        f"replan {view.replans}" if view.replans else "",
        f"{view.recalled} recalled" if view.recalled else "",
        "plan from memory" if view.reused else "",
        one_line(view.model or "", 40),
    ]
    header.append(" " + "  ".join(extra for extra in extras if extra), style="dim")
    return header


def _footer(view: RunView, hint: str) -> Text:
    if view.asking:
        return _line(f"waiting for approval of {', '.join(view.asking[:5])}", style="magenta")
    return _line(hint, style="dim")


def _line(text: str, style: str = "") -> Text:
    """The beginning of a line that is cut at the edge of the terminal."""
    line = Text(no_wrap=True, overflow="ellipsis", end="\n")
    return line.append(text, style=style or None)

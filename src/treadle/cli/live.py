"""The live DAG on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from treadle.cli.harmless import harmless, one_line
from treadle.cli.run_view import Look, RunView, StepView

if TYPE_CHECKING:
    from treadle.core.events import Event

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
GLYPHS: dict[Look, tuple[str, str]] = {
    "planned": ("·", "dim"),
    "running": ("⠋", "cyan"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("↷", "yellow"),
    "cancelled": ("■", "yellow"),
    "waiting": ("?", "magenta"),
}
PER_SECOND = 10
MOST_INDENT = 6


class LiveRun:
    """Shows a run while it goes on: `with LiveRun(console) as live: live.take(event)`."""

    def __init__(self, console: Console) -> None:
        self.view = RunView()
        self._console = console
        self._live = Live(
            console=console,
            get_renderable=lambda: render(self.view, console),
            refresh_per_second=PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def take(self, event: Event) -> None:
        """Fold in an event; the screen follows at its own pace."""
        self.view.take(event)

    def pause(self) -> None:
        """Leave the screen to a question; the picture is wiped, it would go stale."""
        self._live.transient = True
        self._live.stop()
        self._live.transient = False

    def resume(self) -> None:
        """Go on showing."""
        self._live.start(refresh=True)

    def __enter__(self) -> LiveRun:
        self._live.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._live.stop()


def render(view: RunView, console: Console) -> Group:
    """The whole picture, at most as high as the terminal."""
    now = time.time()
    room = max(4, console.height - 6)
    shown, hidden = _window(view, room)
    table = Table.grid(padding=(0, 1))
    for _ in range(5):
        table.add_column(no_wrap=True, overflow="ellipsis")
    wide = max((len(_label(step)) for step in shown), default=8)
    for step in shown:
        table.add_row(*_row(step, now, console, wide))
    parts: list[Text | Table] = [_header(view, now), table]
    if hidden:
        parts.append(Text(f"  … {hidden:,} more steps", style="dim"))
    if view.planning or view.status is None:
        parts.append(_footer(view))
    return Group(*parts)


def _window(view: RunView, room: int) -> tuple[list[StepView], int]:
    """The steps that are shown: all if they fit, else what runs, failed, or just ended."""
    if len(view.steps) <= room:
        return list(view.steps.values()), 0
    chosen: dict[str, StepView] = {}
    groups: tuple[Iterable[StepView], ...] = (
        view.failed.values(),
        view.running.values(),
        reversed(view.recent),
    )
    for group in groups:
        for step in group:
            if len(chosen) >= room:
                break
            if step.id in view.steps:
                chosen.setdefault(step.id, step)
    ordered = sorted(chosen.values(), key=lambda step: step.started or float("inf"))
    return ordered, len(view.steps) - len(chosen)


def _label(step: StepView) -> str:
    """The id, indented by how far down the DAG the step stands."""
    indent = "  " * (min(step.depth, MOST_INDENT) - 1) + "└ " if step.depth else ""
    return indent + one_line(step.id, 28)


def _row(step: StepView, now: float, console: Console, wide: int) -> tuple[Text, ...]:
    glyph, style = GLYPHS[step.look]
    if step.look == "running":
        glyph = FRAMES[int(now * PER_SECOND) % len(FRAMES)]
    elapsed = step.elapsed(now)
    notes: list[str] = []
    if step.total:
        notes.append(f"{step.done}/{step.total}")
    if step.retries:
        notes.append(f"{step.retries} retr{'y' if step.retries == 1 else 'ies'}")
    if step.error is not None and step.look != "skipped":
        notes.append(one_line(str(step.error), max(20, console.width - wide - 40)))
    elif step.error is not None:
        notes.append(step.error.code)
    elif step.needs and step.look == "planned":
        notes.append("after " + ", ".join(step.needs[:4]) + (" …" if len(step.needs) > 4 else ""))
    return (
        Text(f" {glyph}", style=style),
        Text(_label(step).ljust(wide)),
        Text(one_line(step.tool, 24), style="dim"),
        Text("" if elapsed is None else seconds(elapsed), style="dim", justify="right"),
        Text("  ".join(notes), style="red" if step.look == "failed" else "dim"),
    )


def _header(view: RunView, now: float) -> Text:
    done = view.counts["succeeded"]
    header = Text()
    if view.planning and not view.steps:
        header.append("planning… ", style="bold cyan")
    elif view.planning:
        header.append(f"planning… {len(view.steps)} steps ", style="bold cyan")
    else:
        header.append(f"{done}/{len(view.steps)} steps ", style="bold")
    if view.started is not None:
        header.append(f"{seconds(now - view.started)} ", style="dim")
    extras = [
        f"{view.usage.total_tokens:,} tokens" if view.usage.total_tokens else "",
        f"{view.repairs} repair{'s' if view.repairs > 1 else ''}" if view.repairs else "",
        f"replan {view.replans}" if view.replans else "",
        harmless(view.model or ""),
    ]
    header.append("  ".join(extra for extra in extras if extra), style="dim")
    return header


def _footer(view: RunView) -> Text:
    if view.asking:
        return Text(f"waiting for approval of {', '.join(view.asking[:5])}", style="magenta")
    return Text("Ctrl-C stops the run", style="dim")


def seconds(elapsed: float) -> str:
    """A duration for people."""
    if elapsed < 1:
        return f"{elapsed * 1000:.0f} ms"
    if elapsed < 60:
        return f"{elapsed:.1f} s"
    minutes, rest = divmod(int(elapsed), 60)
    return f"{minutes}:{rest:02} min"

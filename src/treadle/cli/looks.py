"""How the states of a step, and durations, are written."""

from __future__ import annotations

from collections.abc import Mapping

from treadle.cli.run_view import Look

GLYPHS: Mapping[Look, str] = {
    "planned": "·",
    "running": "⠋",
    "succeeded": "✓",
    "failed": "✗",
    "skipped": "↷",
    "cancelled": "■",
    "waiting": "?",
}
STYLES: Mapping[Look, str] = {
    "planned": "dim",
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "skipped": "yellow",
    "cancelled": "yellow",
    "waiting": "magenta",
}
STOPPING = "stopping… Ctrl-C again ends it at once"


def seconds(elapsed: float) -> str:
    """A duration for people."""
    if elapsed < 0.9995:
        return f"{elapsed * 1000:.0f} ms"
    if elapsed < 59.95:
        return f"{elapsed:.1f} s"
    minutes, rest = divmod(round(elapsed), 60)
    return f"{minutes}:{rest:02} min"

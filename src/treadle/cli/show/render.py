"""A run in the form that was asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from treadle.cli.output import stdout_is_terminal
from treadle.cli.show import document, html, mermaid, text
from treadle.cli.show.timeline import timeline_of
from treadle.core.errors import InputError
from treadle.core.events import Event

_WIDEST = 160


def render(
    events: Sequence[Event], form: str, *, width: int | None = None, color: bool | None = None
) -> str:
    """The run that `events` tell of, as "text", "json", "mermaid" or "html"; ends with a newline.

    events: of one run, complete or not, resumed or not.
    width: columns of the text; by default those of the terminal, 100 where there is none.
    color: whether the text has colours; by default where stdout is a terminal and NO_COLOR unset.

    Raises InputError (`unknown_format`).
    """
    timeline = timeline_of(events)
    match form:
        case "text":
            if color is None:
                color = stdout_is_terminal() and not os.environ.get("NO_COLOR")
            if width is None:
                width = min(shutil.get_terminal_size((100, 24)).columns, _WIDEST)
            return text.to_text(timeline, width=width, color=color)
        case "json":
            return document.to_text(timeline)
        case "mermaid":
            return mermaid.to_text(timeline)
        case "html":
            return html.to_text(timeline)
    raise InputError("unknown_format", f"'{form[:40]}' is no format; text, json, mermaid, html are")

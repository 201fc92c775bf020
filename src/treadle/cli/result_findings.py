"""What is said to the person when a result of an MCP server holds what does not belong there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from treadle.cli.harmless import one_line
from treadle.cli.output import print_note

if TYPE_CHECKING:
    from treadle.tools.mcp import Finding

MOST_PER_RESULT = 3
MOST_LINES = 30
"""Lines for one command: a server must not drown out what else is said."""


class ResultFindings:
    """Writes a line for each finding, as reports about descriptions do; see `McpServers`.

    say: writes a line; to stderr by default.
    """

    def __init__(self, say: Callable[[str], None] = print_note) -> None:
        self._say = say
        self._lines = 0

    def take(self, tool: str, findings: tuple[Finding, ...]) -> None:
        """The result of a call of `tool` holds `findings`."""
        shown = findings[:MOST_PER_RESULT]
        for each in shown:
            self._line(f"! {tool}: {one_line(str(each), 400)}")
        if len(findings) > len(shown):
            self._line(f"! {tool}: {len(findings) - len(shown)} more findings in this result")

    def _line(self, text: str) -> None:
        self._lines += 1
        if self._lines <= MOST_LINES:
            self._say(text)
        elif self._lines == MOST_LINES + 1:
            self._say("! more is found in results of MCP servers; it is not shown any more")

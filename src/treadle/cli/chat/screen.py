"""Where a chat writes: a terminal, or two pipes."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from rich.console import Console
from rich.text import Text

from treadle.cli.harmless import harmless, one_line
from treadle.cli.interrupts import silent_keys
from treadle.cli.output import print_error, print_note, stdout_is_terminal, write_stdout
from treadle.core.errors import ErrorInfo, TreadleError

ERROR_LINES = 3


class Screen(Protocol):
    """What a chat says. Every text is made harmless here, and never read as markup."""

    def say(self, text: str) -> None:
        """What was asked for: an answer, the reply of a command."""
        ...

    def rows(self, text: str) -> None:
        """A list, each line of it on one line of the screen."""
        ...

    def piece(self, text: str) -> None:
        """The next characters of an answer that is being written."""
        ...

    def note(self, text: str) -> None:
        """An aside."""
        ...

    def error(self, error: TreadleError | ErrorInfo) -> None:
        """An error, in three lines at most."""
        ...

    def busy(self, text: str) -> AbstractContextManager[object]:
        """Shows, within the block, that something goes on."""
        ...


class TerminalScreen:
    """Everything on one terminal.

    debug: whether tracebacks follow the errors.
    """

    def __init__(self, console: Console | None = None, *, debug: bool = False) -> None:
        self.console = console or Console(highlight=False, markup=False, emoji=False)
        self._debug = debug

    def say(self, text: str) -> None:
        """In the terminal's own colour; lines are left whole, so that they can be copied."""
        self.console.print(Text(harmless(text).rstrip("\n")), soft_wrap=True)

    def rows(self, text: str) -> None:
        """Cut at the edge of the terminal."""
        rows = Text(harmless(text).rstrip("\n"))
        self.console.print(rows, no_wrap=True, overflow="ellipsis")

    def piece(self, text: str) -> None:
        """Without a newline."""
        self.console.print(Text(harmless(text)), end="", soft_wrap=True)

    def note(self, text: str) -> None:
        """Dimmed, broken between words."""
        self.console.print(Text(harmless(text), style="dim"))

    def error(self, error: TreadleError | ErrorInfo) -> None:
        """In red, cut where it would take more than three lines of this terminal."""
        width = max(20, self.console.width)
        text = Text("error: ", style="bold red")
        text.append(f"{one_line(error.code, 60)}: ", style="red")
        text.append(one_line(error.message, width * ERROR_LINES))
        lines = text.wrap(self.console, width)
        if len(lines) > ERROR_LINES:
            last = lines[ERROR_LINES - 1]
            last.truncate(width - 1)
            last.append("…")
        for line in lines[:ERROR_LINES]:
            line.rstrip()
            self.console.print(line, soft_wrap=True)
        if self._debug and isinstance(error, BaseException):
            self.note("".join(traceback.format_exception(error)))

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """A spinner, and no echo of what is typed meanwhile."""
        with silent_keys(), self.console.status(Text(text, style="dim")):
            yield


class PipeScreen:
    """Answers on stdout, asides and errors on stderr.

    debug: whether tracebacks follow the errors.
    """

    def __init__(self, *, debug: bool = False) -> None:
        self._debug = debug

    def say(self, text: str) -> None:
        """On stdout."""
        write_stdout(_plain(text).rstrip("\n") + "\n")

    def rows(self, text: str) -> None:
        """On stdout, uncut."""
        self.say(text)

    def piece(self, text: str) -> None:
        """On stdout, at once."""
        write_stdout(_plain(text))

    def note(self, text: str) -> None:
        """On stderr."""
        print_note(text)

    def error(self, error: TreadleError | ErrorInfo) -> None:
        """On stderr."""
        print_error(error, debug=self._debug)

    def busy(self, text: str) -> AbstractContextManager[object]:
        """Nothing to see."""
        return nullcontext()


def _plain(text: str) -> str:
    """Harmless where a person may be looking; as it is where a program reads."""
    return harmless(text) if stdout_is_terminal() else text

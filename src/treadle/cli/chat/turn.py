"""One turn on the screen: the live DAG, below it the answer as it is written."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from rich.live import Live

from treadle.cli.chat.interrupts import silent_keys
from treadle.cli.chat.screen import TerminalScreen
from treadle.cli.live import PER_SECOND, render
from treadle.cli.run_view import RunView
from treadle.core.events import AnswerDelta, Event

if TYPE_CHECKING:
    pass

MOST_OUTPUTS = 10
LONGEST_OUTPUT = 120


class TurnView(Protocol):
    """Shows a run while it goes on."""

    def take(self, event: Event) -> None:
        """Show what `event` changes."""
        ...

    def stopping(self, times: int) -> None:
        """Ctrl-C was pressed, for the `times`th time."""
        ...

    def __enter__(self) -> TurnView: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class QuietTurn:
    """For pipes: nothing but the result."""

    def take(self, event: Event) -> None:
        """Nothing."""

    def stopping(self, times: int) -> None:
        """Nothing."""

    def __enter__(self) -> QuietTurn:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing."""


class LiveTurn:
    """For a terminal. `streamed` is what was written of the answer."""

    def __init__(self, screen: TerminalScreen) -> None:
        self.streamed = ""
        self._screen = screen
        self._view = RunView()
        self._note = ""
        self._live: Live | None = None

    def take(self, event: Event) -> None:
        """Fold in an event; from the first piece of the answer on, the DAG stands still."""
        if isinstance(event, AnswerDelta):
            self._settle()
            self._write(event.text)
        self._view.take(event)

    def stopping(self, times: int) -> None:
        """Say so, once; the DAG goes on showing what ends."""
        if times == 2:
            self._settle()
            self._screen.note("stopping; it takes two seconds at most")

    def __enter__(self) -> LiveTurn:
        self._keys = silent_keys()
        self._keys.__enter__()
        self._live = Live(
            console=self._screen.console,
            get_renderable=lambda: render(self._view, self._screen.console),
            refresh_per_second=PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._settle()
        if self.streamed and not self.streamed.endswith("\n"):
            self._screen.piece("\n")
        self._keys.__exit__(kind, error, traceback)

    def _settle(self) -> None:
        """Draw the DAG for the last time; what is written next stands below it."""
        live, self._live = self._live, None
        if live is None:
            return
        status = self._view.status
        if status is None:
            # Nothing but the answer is to come: no hint how to stop it any more.
            self._view.status = "succeeded"
        live.stop()
        self._view.status = status

    def _write(self, text: str) -> None:
        # A carriage return is held back until it is known whether a newline follows.
        self.streamed += text
        text, self._held = _split(self._held + text)
        self._screen.piece(text)

    _held = ""


def _split(text: str) -> tuple[str, str]:
    return (text[:-1], "\r") if text.endswith("\r") else (text, "")

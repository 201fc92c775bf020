"""A turn on the screen: the live DAG, and below it the answer as it is written."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from rich.console import Group
from rich.live import Live
from rich.text import Text

from treadle.cli.chat.screen import TerminalScreen
from treadle.cli.live import PER_SECOND, render
from treadle.cli.run_view import RunView
from treadle.core.events import AnswerDelta, Event


class TurnView(Protocol):
    """Shows a run while it goes on; `streamed` is what was written of its answer."""

    streamed: str

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
    """For pipes: nothing but the result is wanted there."""

    def __init__(self) -> None:
        self.streamed = ""

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
    """For a terminal."""

    def __init__(self, screen: TerminalScreen) -> None:
        self.streamed = ""
        self._held = ""
        self._screen = screen
        self._run = RunView()
        self._note = ""
        self._live: Live | None = None

    def take(self, event: Event) -> None:
        """Fold in an event; from the first piece of the answer on, the DAG stands still."""
        self._run.take(event)
        if isinstance(event, AnswerDelta):
            self._settle()
            self._write(event.text)

    def stopping(self, times: int) -> None:
        """Say so below the DAG, which goes on showing what ends."""
        self._note = "stopping…" if times == 1 else "stopping… it takes two seconds at most"

    def __enter__(self) -> LiveTurn:
        # Entered again after a question: the run goes on.
        self._run.status = None
        self._live = Live(
            console=self._screen.console,
            get_renderable=self._picture,
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
        if self._held:
            self._screen.piece(self._held)
        if self.streamed and not self.streamed.endswith("\n"):
            self._screen.piece("\n")

    def _picture(self) -> Group:
        picture = render(self._run, self._screen.console)
        if self._note and self._live is not None:
            picture.renderables.append(Text(self._note, style="yellow"))
        return picture

    def _settle(self) -> None:
        """Draw the DAG for the last time; what is written next stands below it."""
        live, self._live = self._live, None
        if live is None:
            return
        status = self._run.status
        # Nothing but the answer is to come: the last picture needs no hint how to stop it.
        self._run.status = status or "succeeded"
        live.stop()
        self._run.status = status

    def _write(self, text: str) -> None:
        self.streamed += text
        text = self._held + text
        # A carriage return waits for the newline that may follow in the next piece.
        self._held = "\r" if text.endswith("\r") else ""
        self._screen.piece(text.removesuffix("\r"))

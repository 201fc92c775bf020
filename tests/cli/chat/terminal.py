"""A real terminal for tests: a process on a pseudo-terminal, and the screen that it draws."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pexpect
import pyte

DEADLINE = 60.0
"""Seconds after which something that was to appear never will."""


class Terminal:
    """Runs `treadle ARGUMENTS` on a pseudo-terminal of its own."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        columns: int = 80,
        rows: int = 30,
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=2000)
        self._stream = pyte.ByteStream(self.screen)
        self.process = pexpect.spawn(
            sys.executable,
            ["-m", "treadle", *arguments],
            cwd=str(folder),
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "", "LINES": "", **environment},
            dimensions=(rows, columns),
            timeout=DEADLINE,
        )
        self.process.delaybeforesend = None
        self._last = b""

    @property
    def lines(self) -> list[str]:
        """The screen, with what has scrolled off its top, without empty lines at the end."""
        scrolled = [
            "".join(line[column].data for column in range(self.screen.columns)).rstrip()
            for line in self.screen.history.top
        ]
        lines = scrolled + [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)

    def send(self, keys: str) -> None:
        """Press keys."""
        self.process.send(keys)

    def enter(self, line: str) -> None:
        """Type a line at the prompt and send it."""
        self.send(line)
        # A long line is wrapped, and the next lines are indented.
        self.until(lambda: _squeezed(line) in _squeezed(self.text))
        self.send("\r")

    def until(self, seen: Callable[[], bool]) -> None:
        """Read the screen until `seen`; fail with the screen where that never comes."""
        deadline = time.monotonic() + DEADLINE
        while not seen():
            if time.monotonic() > deadline:
                raise AssertionError(f"never seen; the screen is:\n{self.text}")
            self._read()

    def shows(self, text: str, times: int = 1) -> None:
        """Wait until `text` is on the screen."""
        self.until(lambda: self.text.count(text) >= times)

    def ready(self, times: int = 1) -> None:
        """Wait for an empty prompt at the bottom, after `times` prompts in all."""
        self.until(
            lambda: (
                bool(self.lines)
                and self.lines[-1] == ">"
                and sum(line.startswith(">") for line in self.lines) >= times
            )
        )

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        self.screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    def exit_code(self) -> int:
        """Wait for the end of the process."""
        deadline = time.monotonic() + DEADLINE
        while self._read():
            assert time.monotonic() < deadline, f"it does not end; the screen is:\n{self.text}"
        while self.process.isalive():  # its terminal is closed a moment before it has ended
            assert time.monotonic() < deadline, "it closes its terminal and does not end"
            time.sleep(0.01)
        self.process.close()
        assert self.process.exitstatus is not None
        return self.process.exitstatus

    def close(self) -> None:
        """End the process, whatever it does."""
        self.process.close(force=True)

    def _read(self) -> bool:
        try:
            data = self.process.read_nonblocking(65536, timeout=0.2)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self._stream.feed(data)
        said, self._last = self._last + data, data[-3:]  # what is asked may come in two pieces
        if b"\x1b[6n" in said:
            # A terminal answers when it is asked where its cursor is.
            cursor = self.screen.cursor
            self.process.send(f"\x1b[{cursor.y + 1};{cursor.x + 1}R")
        return True


def _squeezed(text: str) -> str:
    return "".join(text.split())

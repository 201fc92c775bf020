"""What goes to stdout and stderr, and how errors are shown."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from treadle.cli.harmless import harmless, one_line
from treadle.core.errors import ErrorInfo, RunError, TreadleError
from treadle.core.events import RunStatus
from treadle.core.json_value import JsonValue

ERROR_LINES = 3
_MAX_MESSAGE = 600

_reserved: BinaryIO | None = None


@contextmanager
def reserved_stdout() -> Iterator[None]:
    """Within the block only `write_stdout` and `print_json` write to stdout.

    Whatever else is printed there, by a tool or by a process that it starts, goes to stderr: who
    reads the answer from a pipe gets the answer and nothing else.
    """
    global _reserved
    sys.stdout.flush()
    number = sys.stdout.fileno()
    with os.fdopen(os.dup(number), "wb") as _reserved:
        os.dup2(sys.stderr.fileno(), number)
        try:
            yield
        finally:
            _close_quietly(sys.stdout)
            os.dup2(_reserved.fileno(), number)
            _reserved = None


def stdout_is_terminal() -> bool:
    """Whether a person reads what `write_stdout` writes."""
    return (_reserved or sys.stdout).isatty()


def can_redraw() -> bool:
    """Whether stderr is a terminal that lets a picture be drawn over."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def print_json(document: JsonValue) -> None:
    """One JSON document on stdout; always valid UTF-8, whatever the texts hold."""
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    # What UTF-8 has no bytes for is half of a surrogate pair; it can only stand inside a JSON
    # string, where Python's way to write it is JSON's own.
    write_stdout(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")


def write_stdout(text: str) -> None:
    """Write, and flush. A reader that has gone away ends the writing in silence.

    Raises RunError (`output_unwritable`) where stdout takes nothing, on a full disk say.
    """
    try:
        if _reserved is None:
            sys.stdout.flush()
        out = _reserved or sys.stdout.buffer
        out.write(text.encode("utf-8", "replace"))
        out.flush()
    except BrokenPipeError:
        _discard(_reserved or sys.stdout)
    except OSError as error:
        _discard(_reserved or sys.stdout)
        raise RunError("output_unwritable", f"stdout: {error.strerror or error}") from error


def print_note(text: str) -> None:
    """A line for the person, on stderr."""
    try:
        print(harmless(text), file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        # Nobody reads it, or nothing can be written: there is nowhere left to say so.
        _discard(sys.stderr)


def print_error(
    error: TreadleError | ErrorInfo, *, debug: bool = False, lines: int = ERROR_LINES
) -> None:
    """An error in one line, `lines` of a terminal at most; with `debug` the traceback follows."""
    text = f"error: {one_line(error.code, 60)}: {one_line(error.message, _MAX_MESSAGE)}"
    if sys.stderr.isatty():
        text = textwrap.fill(text, _terminal_width(), max_lines=lines, placeholder=" …")
    print_note(text)
    if debug and isinstance(error, BaseException):
        print_note("".join(traceback.format_exception(error)))


def failed_document(error: TreadleError | ErrorInfo, status: RunStatus = "failed") -> JsonValue:
    """The `--json` object of a run that never began."""
    from treadle.executor.result import RunResult

    return {
        **RunResult("").as_json(),
        "run_id": None,
        "status": status,
        "error": {"code": error.code, "message": error.message},
    }


def open_missing_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr empty ones.

    Call it first: the next file that is opened would take the number of a missing stream.
    """
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def close_stdout() -> None:
    """Flush stdout for the last time; a reader that has gone away is no news."""
    _close_quietly(sys.stdout)


def _terminal_width() -> int:
    try:
        return max(20, os.get_terminal_size(sys.stderr.fileno()).columns)
    except OSError:
        return 80


def _close_quietly(stream: TextIO) -> None:
    try:
        stream.flush()
    except OSError:
        _discard(stream)


def _discard(stream: TextIO | BinaryIO) -> None:
    """Send what is still to come nowhere: the interpreter flushes once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)

"""What goes to stdout and stderr, and how errors are shown."""

from __future__ import annotations

import json
import os
import sys
import traceback

from treadle.cli.harmless import harmless, one_line
from treadle.core.errors import ErrorInfo, TreadleError
from treadle.core.json_value import JsonValue

_MAX_MESSAGE = 600


def print_json(document: JsonValue) -> None:
    """One JSON document on stdout; always valid UTF-8, whatever the texts hold."""
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    write_stdout(text.encode("utf-8", "replace").decode("utf-8") + "\n")


def write_stdout(text: str) -> None:
    """Write, and flush. A reader that has gone away ends the process in silence."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The interpreter would complain once more when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_note(text: str) -> None:
    """A line for the person, on stderr."""
    try:
        print(harmless(text), file=sys.stderr, flush=True)  # noqa: T201
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def print_error(error: TreadleError | ErrorInfo, *, debug: bool = False) -> None:
    """An error in one line, cut if need be; with `debug` the traceback follows."""
    print_note(f"error: {error.code}: {one_line(error.message, _MAX_MESSAGE)}")
    if debug and isinstance(error, BaseException):
        print_note("".join(traceback.format_exception(error)))


def failed_document(error: TreadleError | ErrorInfo) -> JsonValue:
    """The `--json` object of a run that never began."""
    from treadle.executor.result import RunResult

    return {
        **RunResult("").as_json(),
        "run_id": None,
        "status": "failed",
        "error": {"code": error.code, "message": error.message},
    }

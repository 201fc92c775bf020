"""One snippet of Python, run like a cell of a notebook."""

from __future__ import annotations

import ast
import json
import linecache
import os
import sys
import traceback
from types import CodeType
from typing import Any

MAX_REPR = 2000

NOTHING = b"n"
JSON = b"j"
REPR = b"r"
TOO_LARGE = b"l"
RAISED = b"x"
INTERRUPTED = b"i"


class Outcome:
    """How a cell ended: an exit code, and a report of one letter and what follows it.

    NOTHING, JSON and its text, REPR and its text (a value that is no JSON), TOO_LARGE; RAISED and
    the exception's name; INTERRUPTED. ended: by SystemExit.
    """

    def __init__(self, code: int, report: bytes, ended: bool = False) -> None:
        self.code = code
        self.report = report
        self.ended = ended


def run_cell(
    source: str, namespace: dict[str, Any], max_value: int, name: str = "<code>"
) -> Outcome:
    """Run `source` in `namespace`; the value of its last expression is what it gives back."""
    lines = source.splitlines(keepends=True)
    linecache.cache[name] = (len(source), None, lines, name)
    try:
        statements, expression = _compiled(source, name)
        exec(statements, namespace)  # noqa: S102 - this is what a sandbox is for
        value = None if expression is None else eval(expression, namespace)  # noqa: S307
        return Outcome(0, encode_value(value, max_value))
    except SystemExit as error:
        return Outcome(_exit_code(error), NOTHING, ended=True)
    except KeyboardInterrupt as error:
        print_error(error)
        return Outcome(130, INTERRUPTED)
    except BaseException as error:  # noqa: BLE001 - whatever a snippet raises is its outcome
        print_error(error)
        return Outcome(1, RAISED + type(error).__name__[:200].encode("utf-8", "replace"))


def add_site_names() -> None:
    """`exit` and the like, which scripts use and an interpreter without `site` lacks."""
    import _sitebuiltins
    import builtins

    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    builtins.help = _sitebuiltins._Helper()


def _compiled(source: str, name: str) -> tuple[CodeType, CodeType | None]:
    # dont_inherit: a snippet has its own `from __future__`, not that of this file.
    tree: Any = compile(source, name, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    last = tree.body[-1] if tree.body else None
    expression = None
    if isinstance(last, ast.Expr):
        tree.body.pop()
        expression = compile(ast.Expression(last.value), name, "eval", dont_inherit=True)
    return compile(tree, name, "exec", dont_inherit=True), expression


def encode_value(value: Any, max_value: int) -> bytes:
    """The report of `value`, of which not more than `max_value` bytes may be passed on."""
    if value is None:
        return NOTHING
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        report = JSON + text.encode("utf-8")
        return report if len(report) <= max_value else TOO_LARGE
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
        return REPR + text[: min(MAX_REPR, max_value // 4)].encode("utf-8", "backslashreplace")


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    sys.stderr.write(f"{error.code}\n")
    return 1


def print_error(error: BaseException) -> None:
    """The traceback on stderr, with the lines of the snippet and of its own files only."""
    try:
        record = traceback.TracebackException.from_exception(error)
        _keep_own_lines(record, 0)
        text = "".join(record.format())
    except Exception:  # noqa: BLE001 - an exception of hostile code may break its own printing
        text = f"{type(error).__name__}\n"
    sys.stderr.write(text)
    sys.stderr.flush()


def _keep_own_lines(record: traceback.TracebackException, depth: int) -> None:
    own = os.getcwd() + "/"
    record.stack[:] = [
        frame
        for frame in record.stack
        if frame.filename.startswith(("<code", own)) and frame.filename != "<code>/"
    ]
    if depth < 50:
        causes = [
            record.__cause__,
            record.__context__,
            *(getattr(record, "exceptions", None) or []),
        ]
        for below in causes:
            if below is not None:
                _keep_own_lines(below, depth + 1)

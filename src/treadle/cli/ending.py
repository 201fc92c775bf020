"""How a command ends: its exit code, and what is said of an error."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any

import typer

from treadle.cli.options import CommonOptions
from treadle.cli.output import failed_document, print_error, print_json, reserved_stdout
from treadle.core.errors import ConfigError, ErrorInfo, InputError, PlanError, TreadleError

INTERRUPTED = 130


def end(
    options: CommonOptions,
    start: Callable[[], Coroutine[Any, Any, int]],
    *,
    printing: Callable[[], AbstractContextManager[None]] = reserved_stdout,
) -> None:
    """Run a command to its end and leave with its exit code.

    printing: who may write to stdout meanwhile; only the command's own result by default.
    """
    from treadle.cli.interrupts import Stopped
    from treadle.core.loop import run_bounded

    with printing():
        try:
            code = run_bounded(start())
        except (KeyboardInterrupt, Stopped):
            code = INTERRUPTED
            report(ErrorInfo("cancelled", "interrupted"), options, code)
        except TreadleError as error:
            code = exit_code(error)
            report(error, options, code)
        except Exception as error:  # noqa: BLE001 - the last thing between a bug and a traceback
            code = 1
            report(unexpected(error), options, code)
    raise typer.Exit(code)


def report(error: TreadleError | ErrorInfo, options: CommonOptions, code: int) -> None:
    print_error(error, debug=options.debug)
    if options.json:
        print_json(failed_document(error, "cancelled" if code == INTERRUPTED else "failed"))


def exit_code(error: TreadleError) -> int:
    return 2 if isinstance(error, ConfigError | InputError | PlanError) else 1


def unexpected(error: Exception) -> TreadleError:
    """What is shown of an exception that nobody foresaw; it is kept as the cause."""
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        found = TreadleError("system_error", reason)
    else:
        found = TreadleError("internal_error", f"{reason} (a bug in Treadle; --debug shows where)")
    found.__cause__ = error
    return found

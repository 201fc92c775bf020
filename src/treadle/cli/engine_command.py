"""`treadle engine`: vLLM's OpenAI server, with Treadle's scheduler in it."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.cli.ending import exit_code
from treadle.cli.output import print_error
from treadle.core.errors import TreadleError


def run_engine_command(model: str, flags: Sequence[str], *, debug: bool) -> int:
    """Start it and stay until it ends; returns its exit code."""
    from treadle.serving.engine_process import engine_start, run_engine

    try:
        return run_engine(engine_start(model, flags))
    except TreadleError as error:
        print_error(error, debug=debug)
        return exit_code(error)

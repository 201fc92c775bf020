"""The command that writes code."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from treadle.cli.ending import end
from treadle.cli.options import (
    CommonOptions,
    Debug,
    Json,
    MaxCost,
    MaxSeconds,
    MaxSteps,
    MaxTokens,
    Model,
)


class StrategyName(StrEnum):
    """How much is done for one task."""

    QUICK = "quick"
    THOROUGH = "thorough"


def code_command(
    task: Annotated[
        str,
        typer.Argument(metavar="TASK", help="What the program is to do; - reads it from stdin."),
    ],
    tests: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Tests that decide: a Python module that you trust."),
    ] = None,
    show_tests: Annotated[
        bool, typer.Option("--show-tests", help="Show the tests to the model.")
    ] = False,
    strategy: Annotated[
        StrategyName, typer.Option(help="quick: write, run, repair; thorough: everything.")
    ] = StrategyName.QUICK,
    candidates: Annotated[
        int | None,
        typer.Option(help="Programs that are worked on at once.", show_default="by strategy"),
    ] = None,
    repository: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Change the code there, tested by its own tests."),
    ] = None,
    test_command: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="How the repository is tested, in the sandbox.",
            show_default="python -m pytest -q",
        ),
    ] = None,
    model: Model = None,
    json: Json = False,
    debug: Debug = False,
    max_steps: MaxSteps = None,
    max_seconds: MaxSeconds = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
) -> None:
    """Write a program, or change a repository, and repair it until its tests pass."""
    from treadle.cli.code_command import CodeOptions, write_code
    from treadle.cli.run_command import read_task

    common = CommonOptions(
        model, json=json, debug=debug, max_steps=max_steps, max_seconds=max_seconds,
        max_tokens=max_tokens, max_cost=max_cost,
    )  # fmt: skip
    chosen = CodeOptions(tests, strategy.value, candidates, show_tests, repository, test_command)
    end(common, lambda: write_code(read_task(task), chosen, common))


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("code")(code_command)

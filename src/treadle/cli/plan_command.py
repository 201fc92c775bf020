"""`treadle plan`: the DAG without running it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from treadle.cli.follow import until_stopped
from treadle.cli.harmless import harmless
from treadle.cli.keys import unseen_keys
from treadle.cli.options import CommonOptions, make_runtime
from treadle.cli.output import can_redraw, print_json, stdout_is_terminal, write_stdout


class Format(StrEnum):
    """How a plan is printed."""

    TREE = "tree"
    JSON = "json"
    MERMAID = "mermaid"
    DOT = "dot"


@contextmanager
def _planning() -> Iterator[None]:
    """Shows a person that something goes on: a model may take its time."""
    if not can_redraw():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with unseen_keys(), Console(stderr=True).status(Text("planning…", style="bold cyan")):
        yield


async def show_plan(task: str, form: Format, options: CommonOptions) -> int:
    """Plan `task` and print the plan. Raises PlanError, ModelError, InputError."""
    from treadle.planner import to_dot, to_mermaid, to_tree

    async with make_runtime(options) as runtime:
        with _planning():
            plan = await until_stopped(runtime.plan(task))
    if form is Format.JSON:
        print_json(plan.wire())
        return 0
    draw = {Format.TREE: to_tree, Format.MERMAID: to_mermaid, Format.DOT: to_dot}[form]
    text = draw(plan)
    write_stdout(harmless(text) if stdout_is_terminal() else text)
    return 0

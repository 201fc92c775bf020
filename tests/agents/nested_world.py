"""A Runtime that is a tool of another one, in a process that may die."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.crashing import DieAt, allow, die, is_at, tools

from treadle import Plan, Runtime, tool
from treadle.testing import ScriptedModel
from treadle.tools import Tool

CHILD = "run-1.sub.1"
PARENT_PLAN = {
    "steps": [
        {"id": "first", "tool": "look", "args": {"x": "p"}},
        {"id": "sub", "tool": "helper", "after": ["first"]},
        {"id": "last", "tool": "look", "args": {"x": "${sub}"}},
    ],
    "answer": "${last}",
}


def child_plan(*names: str) -> dict[str, Any]:
    """A chain of steps `look`, `write`, ... whose x is their place."""
    steps: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        step: dict[str, Any] = {"id": f"s{number}", "tool": name, "args": {"x": f"c{number}"}}
        if steps:
            step["after"] = [steps[-1]["id"]]
        steps.append(step)
    return {"steps": steps, "answer": f"${{s{len(names) - 1}}}"}


def world(folder: Path) -> list[Tool]:
    """The tools of tests.crashing, and one whose writes can be taken back."""

    def forget(result: str, x: str) -> None:
        with (folder / "forgotten").open("a") as file:
            file.write(f"{x}\n")

    @tool(effect="write", undo=forget)
    async def note(x: str) -> str:
        """Note something."""
        with (folder / "note").open("a") as file:
            file.write(f"{x}\n")
        if (folder / f"die-{x}").exists():
            die()
        return f"noted {x}"

    @tool(effect="irreversible")
    async def mail(x: str) -> str:
        """Send something."""
        with (folder / "mail").open("a") as file:
            file.write(f"{x}\n")
        return f"sent {x}"

    return [*tools(folder), note, mail]


def open_both(
    url: str | None, folder: Path, inner: dict[str, Any], **options: Any
) -> tuple[Runtime, Runtime]:
    """(the outer Runtime, the inner one that is its tool `helper` and carries out `inner`)."""
    within = Runtime(model=ScriptedModel([]), tools=world(folder), builtins=False)
    effect = options.pop("effect", None)
    timeout = options.pop("timeout", None)
    helper = within.as_tool(
        "helper", "Helps.", plan=Plan.from_wire(inner), effect=effect, timeout=timeout
    )
    options.setdefault("approve", allow)
    outer = Runtime(
        model=ScriptedModel([]), tools=[*world(folder), helper], builtins=False, database=url,
        artifacts=folder / "artifacts", new_id=lambda: "run-1", **options,
    )  # fmt: skip
    return outer, within


def run_until(
    url: str, folder: Path, inner: dict[str, Any], at: DieAt | None, effect: str | None
) -> None:
    """Run the plan in this process, which dies when the event `at` of the outer run is kept."""
    asyncio.run(_run_until(url, folder, inner, at, effect))


async def _run_until(
    url: str, folder: Path, inner: dict[str, Any], at: DieAt | None, effect: str | None
) -> None:
    outer, within = open_both(url, folder, inner, effect=effect)
    async with within, outer, outer.stream(Plan.from_wire(PARENT_PLAN)) as run:
        async for event in run:
            if at is not None and is_at(event, at):
                die()

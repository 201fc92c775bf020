"""Items of a fan-out with effects, when the process is gone before the fan-out has ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from treadle import Plan, Runtime, tool
from treadle.core.errors import ToolError
from treadle.core.events import StepProgress
from treadle.executor import approve_all
from treadle.testing import ScriptedModel


def open_runtime(folder: Path, tools: list[Any]) -> Runtime:
    return Runtime(
        model=ScriptedModel([]),
        tools=tools,
        builtins=False,
        database=f"sqlite:///{folder}/runs.db",
        artifacts=folder / "artifacts",
        approve=approve_all,
        new_id=lambda: "run-1",
        max_parallel=2,
    )


@pytest.mark.parametrize("policy", ["value", "skip"])
async def test_an_item_with_effects_that_has_failed_is_not_run_again(
    tmp_path: Path, policy: str
) -> None:
    effects: list[int] = []
    holding = True

    @tool(effect="write")
    async def change(x: int) -> int:
        if x == 1 and holding:
            await asyncio.Event().wait()
        effects.append(x)
        if x == 0:
            raise ToolError("no_answer", "it was done, and nobody said so", retryable=True)
        return x

    plan = Plan.from_wire(
        {
            "steps": [
                {
                    "id": "w",
                    "tool": "change",
                    "for_each": [0, 1],
                    "args": {"x": "${item}"},
                    "on_failure": policy,
                }
            ]
        }
    )
    async with open_runtime(tmp_path, [change]) as runtime, runtime.stream(plan) as run:
        async for event in run:
            if isinstance(event, StepProgress) and event.index == 0:
                assert event.error is not None
                run.cancel()
    assert effects == [0]

    holding = False
    async with open_runtime(tmp_path, [change]) as runtime:
        # Cancelled within item 1, at the latest: nothing of it has happened.
        result = await runtime.resume("run-1")
        if result.status == "waiting":
            result = await runtime.resume("run-1", redo=["w"])
    assert effects.count(0) == 1

"""The work of an agent as a run of one step: recorded, bounded and shown like others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from treadle.cli.follow import until_stopped
from treadle.cli.options import CommonOptions, new_runtime
from treadle.core.errors import TreadleError
from treadle.core.json_value import JsonValue

if TYPE_CHECKING:
    from treadle.executor.approval import ApprovalRequest

LONGEST = 7 * 24 * 3600.0
"""Seconds; `--max-seconds` bounds such a run."""


class Printable(Protocol):
    """What an agent came to."""

    def as_json(self) -> dict[str, JsonValue]:
        """It as a JSON object."""
        ...


OutputT = TypeVar("OutputT", bound=Printable)


async def run_recorded(
    name: str,
    task: str,
    work: Callable[[], Awaitable[OutputT]],
    options: CommonOptions,
    *,
    writes: bool = False,
) -> tuple[str, OutputT]:
    """Do `work` for `task` as a run of one step; the run's id, and what came of it.

    writes: whether it changes files; that it may is what the command was given for.

    Raises TreadleError with the run's own code where there is no output.
    """
    from treadle.planner import Plan
    from treadle.planner.reference import escape
    from treadle.tools import Effect, tool

    made: list[OutputT] = []

    @tool(
        name=name,
        effect=Effect.WRITE if writes else Effect.READ,
        timeout=LONGEST,
        calls_model=True,
        guards_calls=True,
    )
    async def agent(task: str) -> dict[str, Any]:  # pydantic cannot evaluate JsonValue
        """What `treadle code` was asked for."""
        output = await work()
        made.append(output)
        return output.as_json()

    step: JsonValue = {"id": "code", "tool": name, "args": {"task": escape(task)}}
    plan = Plan.from_wire({"steps": [step], "answer": "${code.verdict}"})
    async with new_runtime(options, [agent], approve=_asked_for, model="offline") as runtime:
        if runtime.journal is not None:
            await runtime.journal.database.open()
        result = await until_stopped(runtime.run(plan))
    if made and result.status == "succeeded":
        return result.run_id, made[-1]
    error = result.error
    if error is None:
        raise TreadleError("run_failed", f"run {result.run_id} ended as {result.status}")
    raise TreadleError(error.code, error.message)


async def _asked_for(request: ApprovalRequest) -> bool:
    return True

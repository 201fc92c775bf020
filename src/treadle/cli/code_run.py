"""The work of an agent as a run of one step: recorded, bounded and shown like others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from treadle.cli.follow import until_stopped
from treadle.cli.options import CommonOptions, new_runtime
from treadle.core.errors import RunError, TreadleError
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


COMMAND = "code"
"""What stands in the record of such a run, where other commands say nothing."""


async def run_recorded(
    name: str,
    task: str,
    work: Callable[[], Awaitable[OutputT]],
    options: CommonOptions,
    *,
    changes: str | None = None,
) -> tuple[str, OutputT]:
    """Do `work` for `task` as a run of one step; the run's id, and what came of it.

    changes: the folder whose files it changes; that it may is what the command was given for.

    Raises TreadleError with the run's own code where there is no output.
    """
    from treadle.planner import Plan
    from treadle.planner.reference import escape
    from treadle.tools import Effect, tool

    made: list[OutputT] = []

    @tool(
        name=name,
        effect=Effect.READ if changes is None else Effect.WRITE,
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
        runtime.launch = {**(runtime.launch or {}), "command": COMMAND, "changes": changes}
        if runtime.journal is not None:
            await runtime.journal.database.open()
        result = await until_stopped(runtime.run(plan))
    if made and result.status == "succeeded":
        return result.run_id, made[-1]
    error = result.error
    if error is None:
        raise TreadleError("run_failed", f"run {result.run_id} ended as {result.status}")
    raise TreadleError(error.code, error.message)


def refuse_code_run(run_id: str, launch: Mapping[str, object], *, undo: bool = False) -> None:
    """Say what to do in place of going on with a run of this command, or of taking it back.

    Raises RunError (`not_resumable`, `not_undoable`).
    """
    if launch.get("command") != COMMAND:
        return
    folder = launch.get("changes")
    if not undo:
        again = "treadle code" if folder is None else f"treadle code --repository {folder}"
        raise RunError(
            "not_resumable",
            f"{run_id} is a run of treadle code, whose agent ends with the command: give {again} "
            f"the task again; treadle show {run_id} shows what came of it",
        )
    if folder is None:
        raise RunError("not_undoable", f"{run_id} has changed nothing: it has written a program")
    raise RunError(
        "not_undoable",
        f"{run_id} is a run of treadle code, which takes back what makes things worse by itself; "
        f"git diff in {folder} shows what it kept, which is to be taken back there",
    )


async def _asked_for(request: ApprovalRequest) -> bool:
    return True

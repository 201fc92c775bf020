"""What the commands about recorded runs do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from treadle.cli.answer import print_outcome
from treadle.cli.code_run import refuse_code_run
from treadle.cli.harmless import one_line
from treadle.cli.options import CommonOptions, as_launched, database_url, make_runtime
from treadle.cli.output import print_error, print_json, print_note, write_stdout
from treadle.cli.plain import PlainRun
from treadle.cli.run_command import EXIT_CODES, Settled, fork_run, read_file, resume_run
from treadle.core.clock import iso_time
from treadle.core.errors import InputError, RunError
from treadle.core.json_value import JsonValue

if TYPE_CHECKING:
    from treadle.cli.record_app import ShowFormat
    from treadle.executor.journal import Journal, RunRow

TAKEN = 5.0
"""Seconds that a process which holds a run has to take a command."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's answer to approvals, to all or of these steps; `arguments` is JSON text."""

    step_ids: tuple[str, ...]
    everything: bool
    approved: bool
    reason: str | None = None
    arguments: str | None = None


@asynccontextmanager
async def _journal(options: CommonOptions) -> AsyncIterator[Journal]:
    from treadle.core.database.url import DatabaseUrl
    from treadle.executor.journal import Journal

    journal = Journal(DatabaseUrl.parse(database_url(options)))
    try:
        yield journal
    finally:
        await journal.close()


async def resume(run_id: str, options: CommonOptions, settled: Settled) -> int:
    """`treadle resume`, with the options that the run was begun with."""
    return await resume_run(run_id, await _launched(run_id, options), settled)


async def fork(run_id: str, step_id: str, arguments: str | None, options: CommonOptions) -> int:
    """`treadle fork`, with the options that the run was begun with."""
    changed = None if arguments is None else _object(arguments)
    return await fork_run(run_id, step_id, changed, await _launched(run_id, options))


async def _launched(run_id: str, options: CommonOptions, *, undo: bool = False) -> CommonOptions:
    """`options`, and where they say nothing, what the run was begun with.

    Raises RunError (`not_resumable`, `not_undoable`) for a run that no Runtime can go on with.
    """
    from treadle.core.events import RunStarted

    async with _journal(options) as journal:
        events = await journal.events(run_id)
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    launch: Any = {} if started is None or started.settings is None else started.settings.value
    refuse_code_run(run_id, launch, undo=undo)
    return as_launched(options, launch)


async def answer(run_id: str, given: Answer, options: CommonOptions) -> int:
    """`treadle approve`: leaves the answer for whoever holds the run, now or later."""
    from treadle.agents.runs.answers import leave_answers
    from treadle.executor.approval import Decision
    from treadle.executor.awaiting import awaiting_approval

    if given.everything == bool(given.step_ids):
        raise InputError("bad_arguments", "name the steps that wait, or all of them with --all")
    arguments = _arguments(given)
    async with _journal(options) as journal:
        step_ids = given.step_ids or tuple(awaiting_approval(await journal.events(run_id)))
        if not step_ids:
            raise RunError("nothing_waits", f"no step of {run_id} waits for an approval")
        decision = Decision(given.approved, given.reason, arguments)
        decisions = dict.fromkeys(step_ids, decision)
        if arguments is None:
            await leave_answers(journal, run_id, decisions)
        else:
            # The tools tell whether they take these arguments.
            async with make_runtime(await _launched(run_id, options)) as runtime:
                await leave_answers(journal, run_id, decisions, runtime.tools)
        row = await journal.row(run_id)
    said = "approved" if given.approved else "denied"
    if options.json:
        print_json({"run_id": run_id, "steps": list(step_ids), "decision": said})
    else:
        said += f": {', '.join(step_ids[:20])}" if given.everything else ""
        live = row.status == "running"
        print_note(said + ("" if live else f"; treadle resume {run_id} goes on"))
    return 0


def _arguments(given: Answer) -> dict[str, JsonValue] | None:
    if given.arguments is None:
        return None
    if len(given.step_ids) != 1 or not given.approved:
        raise InputError("bad_arguments", "--args goes with the approval of one step")
    return _object(given.arguments)


def _object(text: str) -> dict[str, JsonValue]:
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("bad_arguments", f"--args is not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise InputError("bad_arguments", "--args must be a JSON object")
    return arguments


async def ask(run_id: str, kind: Literal["cancel", "pause"], options: CommonOptions) -> int:
    """`treadle cancel` and `treadle pause`: exit code 0 once the run has ended because of it."""
    async with _journal(options) as journal:
        row = await journal.row(run_id)
        if row.status != "running":
            raise RunError("run_not_running", f"{run_id} is not under way: it is {row.status}")
        await journal.ask(run_id, kind, {})
        row = await _ended(journal, run_id)
    if options.json:
        print_json({"run_id": run_id, "status": row.status})
    else:
        ended = row.status != "running"
        print_note(f"{run_id}: {row.status}" if ended else f"{run_id} was told; it ends soon")
    return 0


async def _ended(journal: Journal, run_id: str) -> RunRow:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TAKEN
    while True:
        row = await journal.row(run_id)
        if row.status != "running" or loop.time() > deadline:
            return row
        await asyncio.sleep(0.1)


async def patch(run_id: str, source: str, options: CommonOptions) -> int:
    """`treadle patch`: exit code 0 where the patch was done, or was left for `treadle resume`."""
    from treadle.planner.patch import PlanPatch

    change = PlanPatch.from_json(read_file(source))
    async with make_runtime(await _launched(run_id, options)) as runtime:
        patched = await runtime.patch(run_id, change)
        assert runtime.journal is not None
        row = await runtime.journal.row(run_id)
    if options.json:
        print_json({"run_id": run_id, "state": patched.state, "version": patched.version})
    elif patched.state == "applied":
        print_note(f"patched; {run_id} goes on with version {patched.version} of its plan")
    elif row.status == "running":
        print_note(f"left for {run_id}, which has not taken it yet")
    else:
        print_note(f"left; treadle resume {run_id} goes on with it")
    return 0


async def undo(run_id: str, step_id: str | None, options: CommonOptions) -> int:
    """`treadle undo`: exit code 1 where something could not be taken back."""
    async with make_runtime(await _launched(run_id, options, undo=True)) as runtime:
        outcomes = await runtime.undo(run_id, step_id)
    if options.json:
        print_json({"run_id": run_id, "undone": [each.as_json() for each in outcomes]})
    elif not outcomes:
        print_note("there is nothing to take back")
    else:
        for each in outcomes:
            name = each.step_id if each.index is None else f"{each.step_id}[{each.index}]"
            name = name if each.run_id is None else f"{each.run_id}/{name}"
            said = "taken back" if each.error is None else f"not taken back: {each.error}"
            print_note(f"{name}: {one_line(said, 200)}")
    return 1 if any(each.error is not None for each in outcomes) else 0


async def list_runs(limit: int, options: CommonOptions) -> int:
    """`treadle runs`."""
    async with _journal(options) as journal:
        rows = await journal.runs(limit)
    if options.json:
        print_json([_row_document(row) for row in rows])
        return 0
    for row in rows:
        when = iso_time(row.created_at)[:19].replace("T", " ")
        task = one_line(row.task or "(a plan)", 60)
        write_stdout(f"{row.run_id}  {row.status:<11}  {when}  {task}\n")
    if not rows:
        print_note("no runs yet")
    return 0


def _row_document(row: RunRow) -> JsonValue:
    return {
        "run_id": row.run_id,
        "status": row.status,
        "task": row.task,
        "created": iso_time(row.created_at),
        "finished": None if row.finished_at is None else iso_time(row.finished_at),
        "forked_from": row.forked_from,
    }


async def show(run_id: str, form: ShowFormat, options: CommonOptions) -> int:
    """`treadle show`."""
    from treadle.cli.show import render

    async with _journal(options) as journal:
        events = await journal.events(run_id)
    write_stdout(render(events, form.value))
    return 0


async def replay(run_id: str, options: CommonOptions) -> int:
    """`treadle replay`: the exit code that the run had."""
    from treadle.executor.result import RunResult

    async with _journal(options) as journal:
        events = await journal.events(run_id)
    screen = PlainRun()
    for event in events:
        screen.take(event)
    result = RunResult.from_events(events)
    if options.json:
        print_json(result.as_json())
    elif result.status is None:
        print_error(RunError("interrupted", f"{run_id} has no end yet; treadle resume goes on"))
    else:
        print_outcome(result)
    return EXIT_CODES[result.status or "failed"]

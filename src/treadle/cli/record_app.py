"""The commands about runs that were recorded: list, show, replay, resume, answer, stop, undo."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from treadle.cli.ending import end
from treadle.cli.options import (
    AllowHost,
    CommonOptions,
    DatabaseUrl,
    Debug,
    Json,
    Model,
    Tools,
    Workspace,
    Yes,
    list_of,
)

Run = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run; see treadle runs.")]


class ShowFormat(StrEnum):
    """How a run is shown."""

    TEXT = "text"
    JSON = "json"
    MERMAID = "mermaid"
    HTML = "html"


def resume_command(
    run: Run,
    done: Annotated[
        list[str] | None,
        typer.Option(metavar="STEP", help="A step in doubt that did take effect; or STEP[INDEX]."),
    ] = None,
    redo: Annotated[
        list[str] | None,
        typer.Option(metavar="STEP", help="A step in doubt, or failed, to do again; STEP[INDEX]."),
    ] = None,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on although tools have changed.")
    ] = False,
    model: Model = None,
    tools: Tools = None,
    workspace: Workspace = None,
    allow_host: AllowHost = None,
    yes: Yes = False,
    json: Json = False,
    debug: Debug = False,
    db: DatabaseUrl = None,
) -> None:
    """Go on with a run that was cut short, or that waits."""
    from treadle.cli.record_commands import resume
    from treadle.cli.run_command import Settled

    options = CommonOptions(
        model, list_of(tools), workspace, list_of(allow_host),
        yes=yes, json=json, debug=debug, database=db,
    )  # fmt: skip
    settled = Settled(list_of(done), list_of(redo), accept_changes)
    end(options, lambda: resume(run, options, settled))


def approve_command(
    run: Run,
    step: Annotated[
        list[str] | None, typer.Argument(metavar="STEP...", help="The steps that wait.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All steps that wait.")] = False,
    deny: Annotated[bool, typer.Option("--deny", help="Refuse instead.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why; it is recorded.")] = None,
    args: Annotated[
        str | None,
        typer.Option("--args", metavar="JSON", help="Run it with these arguments instead."),
    ] = None,
    json: Json = False,
    debug: Debug = False,
    db: DatabaseUrl = None,
) -> None:
    """Answer approvals, from any process."""
    from treadle.cli.record_commands import Answer, answer

    options = CommonOptions(json=json, debug=debug, database=db)
    given = Answer(list_of(step), everything, not deny, reason, args)
    end(options, lambda: answer(run, given, options))


def fork_command(
    run: Run,
    step: Annotated[str, typer.Argument(metavar="STEP", help="The first step that runs anew.")],
    args: Annotated[
        str | None, typer.Option("--args", metavar="JSON", help="With these arguments instead.")
    ] = None,
    model: Model = None,
    tools: Tools = None,
    workspace: Workspace = None,
    allow_host: AllowHost = None,
    yes: Yes = False,
    json: Json = False,
    debug: Debug = False,
    db: DatabaseUrl = None,
) -> None:
    """Go another way than a run from one of its steps on, as a new run."""
    from treadle.cli.record_commands import fork

    options = CommonOptions(
        model, list_of(tools), workspace, list_of(allow_host),
        yes=yes, json=json, debug=debug, database=db,
    )  # fmt: skip
    end(options, lambda: fork(run, step, args, options))


def cancel_command(
    run: Run, json: Json = False, debug: Debug = False, db: DatabaseUrl = None
) -> None:
    """Cancel a run, from any process."""
    from treadle.cli.record_commands import ask

    options = CommonOptions(json=json, debug=debug, database=db)
    end(options, lambda: ask(run, "cancel", options))


def pause_command(
    run: Run, json: Json = False, debug: Debug = False, db: DatabaseUrl = None
) -> None:
    """Let a run start nothing more; resume goes on."""
    from treadle.cli.record_commands import ask

    options = CommonOptions(json=json, debug=debug, database=db)
    end(options, lambda: ask(run, "pause", options))


def patch_command(
    run: Run,
    patch: Annotated[str, typer.Argument(metavar="FILE", help="A patch as JSON; - reads stdin.")],
    tools: Tools = None,
    workspace: Workspace = None,
    json: Json = False,
    debug: Debug = False,
    db: DatabaseUrl = None,
) -> None:
    """Add, replace or drop steps of a run that have not started."""
    from treadle.cli import record_commands

    options = CommonOptions(None, list_of(tools), workspace, json=json, debug=debug, database=db)
    end(options, lambda: record_commands.patch(run, patch, options))


def undo_command(
    run: Run,
    step: Annotated[str | None, typer.Argument(metavar="STEP", help="Only this one.")] = None,
    tools: Tools = None,
    workspace: Workspace = None,
    json: Json = False,
    debug: Debug = False,
    db: DatabaseUrl = None,
) -> None:
    """Take back what a run did, the last first."""
    from treadle.cli.record_commands import undo

    options = CommonOptions(None, list_of(tools), workspace, json=json, debug=debug, database=db)
    end(options, lambda: undo(run, step, options))


def runs_command(
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    debug: Debug = False,
    db: DatabaseUrl = None,
) -> None:
    """List the runs, newest first."""
    from treadle.cli.record_commands import list_runs

    options = CommonOptions(json=json, debug=debug, database=db)
    end(options, lambda: list_runs(limit, options))


def show_command(
    run: Run,
    form: Annotated[ShowFormat, typer.Option("--format", help="How.")] = ShowFormat.TEXT,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    debug: Debug = False,
    db: DatabaseUrl = None,
) -> None:
    """Show a run: its DAG, its timeline, its critical path."""
    from treadle.cli.record_commands import show

    options = CommonOptions(json=json, debug=debug, database=db)
    end(options, lambda: show(run, ShowFormat.JSON if json else form, options))


def replay_command(
    run: Run, json: Json = False, debug: Debug = False, db: DatabaseUrl = None
) -> None:
    """Show the events of a run again, and its answer; nothing is run."""
    from treadle.cli.record_commands import replay

    options = CommonOptions(json=json, debug=debug, database=db)
    end(options, lambda: replay(run, options))


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for name, command in (
        ("resume", resume_command),
        ("fork", fork_command),
        ("approve", approve_command),
        ("cancel", cancel_command),
        ("pause", pause_command),
        ("patch", patch_command),
        ("undo", undo_command),
        ("runs", runs_command),
        ("show", show_command),
        ("replay", replay_command),
    ):
        app.command(name)(command)

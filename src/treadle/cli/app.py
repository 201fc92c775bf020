"""The commands, their options, and the exit codes.

0 done, 1 the run failed, 2 bad usage or a bad plan, 3 waiting for a person, 130 interrupted.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Annotated

import typer

from treadle.cli.code_app import register as register_code
from treadle.cli.ending import INTERRUPTED, end, unexpected
from treadle.cli.mcp_app import register as register_mcp
from treadle.cli.memory_app import register as register_memory
from treadle.cli.options import (
    AllowHost,
    CommonOptions,
    DatabaseUrl,
    Debug,
    Json,
    MaxCost,
    MaxParallel,
    MaxSeconds,
    MaxSteps,
    MaxTokens,
    Mcp,
    Model,
    Tools,
    UseMade,
    UseMemory,
    Workspace,
    Yes,
    list_of,
)
from treadle.cli.output import (
    close_stdout,
    failed_document,
    open_missing_streams,
    print_error,
    print_json,
    print_note,
    reserved_stdout,
)
from treadle.cli.plan_command import Format
from treadle.cli.record_app import register
from treadle.cli.sandbox_app import register as register_sandbox
from treadle.cli.serving_app import register as register_serving
from treadle.cli.tools_app import register as register_tools
from treadle.core.errors import ErrorInfo

app = typer.Typer(
    name="treadle",
    help="Tasks become DAGs, DAGs run in parallel.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Task = Annotated[
    str, typer.Argument(metavar="TASK", help="What is to be done; - reads it from stdin.")
]


def main() -> None:
    """The command line."""
    open_missing_streams()
    # A command that does not handle it itself ends as by Ctrl-C: in order, and with its JSON.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A library that has something to say says it in a log that nobody asked for: not here.
    logging.getLogger("stamina").addHandler(logging.NullHandler())
    code = _run(sys.argv[1:])
    close_stdout()
    sys.exit(code)


# Typer brings its own copy of click, or uses the installed one; this is the right class of either.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def _run(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name; return its exit code."""
    try:
        return int(app(arguments, prog_name="treadle", standalone_mode=False) or 0)
    except _UsageError as error:
        return _bad_usage(error, arguments)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except OSError as error:
        # Help or the version, onto a full disk.
        print_error(unexpected(error))
        return 1


def _bad_usage(error: Exception, arguments: Sequence[str]) -> int:
    context = getattr(error, "ctx", None)
    if not arguments and context is not None:
        print_note(context.get_help())
        return 2
    where = "treadle" if context is None else context.command_path
    said = getattr(error, "format_message", error.__str__)()
    # What pydantic puts before the words of whoever has checked a value.
    found = ErrorInfo("bad_usage", said.replace(": Value error, ", ": "))
    print_error(found, lines=2)
    print_note(f"{where} --help shows what can be written")
    if "--json" in arguments:
        print_json(failed_document(found))
    return 2


def _version(wanted: bool) -> None:
    if wanted:
        import treadle

        typer.echo(f"treadle {treadle.__version__}")
        raise typer.Exit


@app.callback()
def treadle_command(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Tasks become DAGs, DAGs run in parallel."""


@app.command("run")
def run_command(
    task: Task,
    model: Model = None,
    tools: Tools = None,
    mcp: Mcp = None,
    made: UseMade = False,
    memory: UseMemory = True,
    workspace: Workspace = None,
    allow_host: AllowHost = None,
    max_parallel: MaxParallel = 8,
    yes: Yes = False,
    json: Json = False,
    debug: Debug = False,
    max_steps: MaxSteps = None,
    max_seconds: MaxSeconds = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    db: DatabaseUrl = None,
) -> None:
    """Plan a task, run the plan and print the answer."""
    from treadle.cli.run_command import read_task, run_task

    options = CommonOptions(
        model, list_of(tools), workspace, list_of(allow_host), max_parallel, yes, json, debug,
        max_steps, max_seconds, max_tokens, db, max_cost=max_cost, mcp=list_of(mcp), made=made,
        memory=memory,
    )  # fmt: skip
    end(options, lambda: run_task(read_task(task), options))


@app.command("exec")
def exec_command(
    plan: Annotated[str, typer.Argument(metavar="PLAN.json", help="A plan file; - is stdin.")],
    model: Model = None,
    tools: Tools = None,
    mcp: Mcp = None,
    made: UseMade = False,
    memory: UseMemory = True,
    workspace: Workspace = None,
    allow_host: AllowHost = None,
    max_parallel: MaxParallel = 8,
    yes: Yes = False,
    json: Json = False,
    debug: Debug = False,
    max_steps: MaxSteps = None,
    max_seconds: MaxSeconds = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    db: DatabaseUrl = None,
) -> None:
    """Run a plan file and print its answer."""
    from treadle.cli.run_command import read_plan, run_plan

    options = CommonOptions(
        model, list_of(tools), workspace, list_of(allow_host), max_parallel, yes, json, debug,
        max_steps, max_seconds, max_tokens, db, max_cost=max_cost, mcp=list_of(mcp), made=made,
        memory=memory,
    )  # fmt: skip
    end(options, lambda: run_plan(read_plan(plan), options))


@app.command("plan")
def plan_command(
    task: Task,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TREE,
    model: Model = None,
    tools: Tools = None,
    mcp: Mcp = None,
    made: UseMade = False,
    workspace: Workspace = None,
    allow_host: AllowHost = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    debug: Debug = False,
) -> None:
    """Show the plan of a task without running it."""
    from treadle.cli.plan_command import show_plan
    from treadle.cli.run_command import read_task

    options = CommonOptions(
        model, list_of(tools), workspace, list_of(allow_host), json=json, debug=debug,
        mcp=list_of(mcp), made=made,
    )  # fmt: skip
    chosen = Format.JSON if json else form
    end(options, lambda: show_plan(read_task(task), chosen, options))


@app.command("chat")
def chat_command(
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="THREAD", help="Go on with an earlier conversation."),
    ] = None,
    model: Model = None,
    tools: Tools = None,
    mcp: Mcp = None,
    made: UseMade = False,
    memory: UseMemory = True,
    workspace: Workspace = None,
    allow_host: AllowHost = None,
    max_parallel: MaxParallel = 8,
    yes: Yes = False,
    debug: Debug = False,
    max_steps: MaxSteps = None,
    max_seconds: MaxSeconds = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    db: DatabaseUrl = None,
) -> None:
    """Talk to it."""
    options = CommonOptions(
        model, list_of(tools), workspace, list_of(allow_host), max_parallel, yes, False, debug,
        max_steps, max_seconds, max_tokens, db, max_cost=max_cost, mcp=list_of(mcp), made=made,
        memory=memory,
    )  # fmt: skip

    async def chat() -> int:
        from treadle.cli.chat.command import run_chat

        return await run_chat(options, resume)

    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    end(options, chat, printing=nullcontext if at_terminal else reserved_stdout)


@app.command("doctor")
def doctor_command(
    model: Model = None,
    tools: Tools = None,
    workspace: Workspace = None,
    allow_host: AllowHost = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what is configured, from where, and what is reachable."""
    from treadle.cli.doctor_command import doctor

    options = CommonOptions(
        model, list_of(tools), workspace, list_of(allow_host), json=json, debug=debug
    )
    end(options, lambda: doctor(options))


register(app)
register_tools(app)
register_serving(app)
register_mcp(app)
register_sandbox(app)
register_code(app)
register_memory(app)

"""The commands about the sandbox: run, probe, selftest."""

from __future__ import annotations

from math import inf
from typing import Annotated, Any, Literal, TypeAlias

import typer
from typer.core import TyperCommand

from treadle.cli.ending import end
from treadle.cli.options import CommonOptions, Debug, Json
from treadle.cli.output import print_error, print_note
from treadle.core.errors import ErrorInfo

sandbox_app = typer.Typer(
    name="sandbox",
    help="Run code that is not trusted.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Names of `SandboxLevel`, spelled out: the help does not wait for all tools to be imported.
LevelName: TypeAlias = Literal[
    "strict", "user", "remote", "container", "confined", "seatbelt", "unsafe"
]

MinLevel = Annotated[
    LevelName,
    typer.Option(
        metavar="LEVEL",
        help="Refuse anything weaker: strict, user, remote, container, confined, seatbelt.",
    ),
]


# Typer brings its own copy of click, or uses the installed one; this is the right class of either.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


class _RunCommand(TyperCommand):
    """`treadle sandbox run`: whoever reads its JSON gets the object of a run in any case."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options = args[: args.index("--")] if "--" in args else list(args)
        try:
            return super().parse_args(ctx, args)
        except _UsageError as error:
            if "--json" not in options:
                raise
            from treadle.cli.sandbox_command import refuse_usage

            message = str(getattr(error, "format_message", error.__str__)())
            print_error(ErrorInfo("bad_usage", message), lines=2)
            print_note(f"{ctx.command_path} --help shows what can be written")
            refuse_usage(message)
            raise typer.Exit(2) from error


@sandbox_app.command("run", cls=_RunCommand)
def sandbox_run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A Python file; - is stdin.")],
    timeout: Annotated[
        float, typer.Option(min=0.01, max=86_400, metavar="S", help="Seconds that it has.")
    ] = 10.0,
    memory: Annotated[
        int, typer.Option(min=16, max=1_048_576, metavar="MB", help="Memory that it has.")
    ] = 512,
    min_level: MinLevel = "confined",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a Python file in the sandbox.

    Exit codes: 0 it ended with 0; 1 it ended with another code, or an exception; 2 bad usage, or
    no such file; 4 its time was up; 5 its memory was; 6 it was killed, or over another limit;
    7 refused: no level that is asked for works here; 130 interrupted.
    """
    from treadle.cli.sandbox_command import run_file
    from treadle.tools.sandbox.contract import SandboxLimits

    options = CommonOptions(json=json, debug=debug)
    # Seconds are those of the clock, however many processors the file keeps busy.
    limits = SandboxLimits(seconds=timeout, cpu_seconds=inf, memory_bytes=memory * 1024 * 1024)
    end(options, lambda: run_file(file, limits, min_level, options))


@sandbox_app.command("probe")
def sandbox_probe(json: Json = False, debug: Debug = False) -> None:
    """Try each level on this machine, and say what it bounds.

    Exit codes: 0 some level works; 7 none does.
    """
    from treadle.cli.sandbox_command import show_probe

    options = CommonOptions(json=json, debug=debug)
    end(options, lambda: show_probe(options))


@sandbox_app.command("selftest")
def sandbox_selftest(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="One attack, or one group of them.")
    ] = None,
    min_level: MinLevel = "confined",
    no_control: Annotated[
        bool,
        typer.Option(
            "--no-control", help="Do not show that the attacks succeed without a sandbox."
        ),
    ] = False,
    sessions: Annotated[
        bool, typer.Option("--sessions", help="Attack from within sessions of Python.")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Attack the sandbox of this machine, and say what held; progress goes to stderr.

    Exit codes: 0 everything held; 1 something did not; 7 refused: no level works here.
    """
    from treadle.cli.sandbox_command import Trials, selftest
    from treadle.tools.sandbox.contract import SandboxLevel

    options = CommonOptions(json=json, debug=debug)
    trials = Trials(only, SandboxLevel(min_level), control=not no_control, sessions=sessions)
    end(options, lambda: selftest(trials, options))


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(sandbox_app)

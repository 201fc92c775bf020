"""The commands about tools: what plans may call, and what models have made."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.ending import end
from treadle.cli.options import (
    CommonOptions,
    Debug,
    Json,
    Mcp,
    Model,
    Tools,
    UseMade,
    Workspace,
    list_of,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of a tool that was made.")]
Version = Annotated[
    int | None, typer.Option("--version", help="Of its versions.", show_default="the newest")
]
AsList = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]

tools = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
made = typer.Typer(
    help="Look at the tools that models have made, and approve them.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@tools.callback()
def tools_command(
    context: typer.Context,
    tools: Tools = None,
    mcp: Mcp = None,
    made: UseMade = False,
    workspace: Workspace = None,
    model: Model = None,
    json: AsList = False,
    debug: Debug = False,
) -> None:
    """List what plans may call."""
    if context.invoked_subcommand is not None:
        return
    from treadle.cli.tools_command import show_tools

    options = CommonOptions(
        model, list_of(tools), workspace, json=json, debug=debug, mcp=list_of(mcp), made=made
    )
    end(options, lambda: show_tools(options))


@made.command("list")
def list_command(json: AsList = False, debug: Debug = False) -> None:
    """List them, and which are approved."""
    from treadle.cli.made_command import list_made

    end(CommonOptions(json=json, debug=debug), lambda: list_made(json))


@made.command("show")
def show_command(
    name: Name, version: Version = None, json: Json = False, debug: Debug = False
) -> None:
    """Show the code of one, its examples and its digest."""
    from treadle.cli.made_command import show_made

    end(CommonOptions(json=json, debug=debug), lambda: show_made(name, version, json))


@made.command("approve")
def approve_command(
    name: Name,
    version: Version = None,
    digest: Annotated[
        str | None,
        typer.Option("--hash", metavar="SHA256", help="Only if it is still what show has shown."),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Let a version run, in the sandbox, where --made is given."""
    from treadle.cli.made_command import approve_made

    end(CommonOptions(json=json, debug=debug), lambda: approve_made(name, version, digest, json))


@made.command("revoke")
def revoke_command(
    name: Name,
    version: Annotated[
        int | None, typer.Option("--version", help="Of its versions.", show_default="all of them")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take an approval back; it ends with the next call."""
    from treadle.cli.made_command import revoke_made

    end(CommonOptions(json=json, debug=debug), lambda: revoke_made(name, version, json))


tools.add_typer(made, name="made")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(tools, name="tools")

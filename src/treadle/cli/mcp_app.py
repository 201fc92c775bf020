"""The commands about MCP: servers whose tools are used, and serving our own."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from treadle.cli.ending import end
from treadle.cli.options import (
    AllowHost,
    CommonOptions,
    DatabaseUrl,
    Debug,
    Json,
    MaxCost,
    MaxSeconds,
    MaxSteps,
    MaxTokens,
    Mcp,
    Model,
    Tools,
    Workspace,
    Yes,
    list_of,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the server is called here.")]

mcp = typer.Typer(
    help="Use the tools of MCP servers, and be one.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@mcp.command("add")
def add_command(
    name: Name,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND...]", help="Starts the server; it speaks on stdio."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="In place of a command: where it listens.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Sent to the url; ${VARIABLE} in VALUE is filled in."
        ),
    ] = None,
    certificate: Annotated[
        str | None, typer.Option(metavar="SHA256", help="The only certificate of the url to take.")
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST[:PORT]", help="A host that the command may contact."),
    ] = None,
    read: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="A folder that it may read.")
    ] = None,
    write: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="A folder that it may change.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=VALUE]", help="A variable that it gets; yours without VALUE."),
    ] = None,
    tool: Annotated[
        list[str] | None, typer.Option(metavar="TOOL", help="Take only this tool.")
    ] = None,
    no_sandbox: Annotated[
        bool, typer.Option("--no-sandbox", help="Let the command do whatever you may.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Believe the server that a tool only reads.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds for one call.")] = 60.0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Add a server; approved, its tools are there for commands that name it with --mcp."""
    from treadle.cli.mcp_command import Added, add

    added = Added(
        name, list_of(command), url, list_of(header), certificate, list_of(host),
        tuple(read or ()), tuple(write or ()), list_of(env), list_of(tool) or None,
        not no_sandbox, trust, timeout,
    )  # fmt: skip
    end(CommonOptions(json=json, debug=debug), lambda: add(added, json))


@mcp.command("list")
def list_command(
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    debug: Debug = False,
) -> None:
    """List the servers, and which are approved; none is contacted."""
    from treadle.cli.mcp_command import list_servers

    end(CommonOptions(json=json, debug=debug), lambda: list_servers(json))


@mcp.command("inspect")
def inspect_command(name: Name, json: Json = False, debug: Debug = False) -> None:
    """Look at a server: its tools, what is wrong with them, what has changed."""
    from treadle.cli.mcp_command import inspect

    end(CommonOptions(json=json, debug=debug), lambda: inspect(name, json))


@mcp.command("approve")
def approve_command(
    name: Name,
    accept_findings: Annotated[
        bool, typer.Option("--accept-findings", help="Approve in spite of severe findings.")
    ] = False,
    tool_set: Annotated[
        str | None,
        typer.Option("--hash", metavar="SHA256", help="Only if its tools are still these."),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Approve a server and its tools as they are now."""
    from treadle.cli.mcp_command import approve

    options = CommonOptions(json=json, debug=debug)
    end(options, lambda: approve(name, accept_findings, tool_set, json))


@mcp.command("remove")
def remove_command(name: Name, json: Json = False, debug: Debug = False) -> None:
    """Forget a server and what was approved of it."""
    from treadle.cli.mcp_command import remove

    end(CommonOptions(json=json, debug=debug), lambda: remove(name, json))


@mcp.command("serve")
def serve_command(
    served: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODULE:OBJECT...",
            help="Runtimes, agents, workflows, tools, or lists of them.",
            show_default="a Runtime with the options here",
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Listen here; stdin and stdout without it."),
    ] = None,
    token_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The environment variable with the token to ask for."),
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="A web page that may ask.")
    ] = None,
    public_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST[:PORT]", help="A name that clients address it by."),
    ] = None,
    model: Model = None,
    tools: Tools = None,
    mcp: Mcp = None,
    workspace: Workspace = None,
    allow_host: AllowHost = None,
    yes: Yes = False,
    debug: Debug = False,
    max_steps: MaxSteps = None,
    max_seconds: MaxSeconds = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    db: DatabaseUrl = None,
) -> None:
    """Offer agents and workflows to MCP clients."""
    from treadle.cli.mcp_serve_command import Served, serve

    options = CommonOptions(
        model, list_of(tools), workspace, list_of(allow_host), yes=yes, debug=debug,
        max_steps=max_steps, max_seconds=max_seconds, max_tokens=max_tokens, database=db,
        max_cost=max_cost, mcp=list_of(mcp),
    )  # fmt: skip
    wanted = Served(list_of(served), http, token_env, list_of(origin), list_of(public_host))
    end(options, lambda: serve(wanted, options), printing=nullcontext)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(mcp, name="mcp")

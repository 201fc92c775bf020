"""`treadle mcp serve`: agents and workflows for MCP clients."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.cli.options import CommonOptions, make_runtime
from treadle.cli.output import print_note
from treadle.core.errors import ConfigError, TreadleError
from treadle.tools.mcp.sdk import check_sdk

if TYPE_CHECKING:
    from treadle.mcp_server import Exposed, HttpAccess


@dataclass(frozen=True, slots=True)
class Served:
    """What is served, and where; without `http` on stdin and stdout."""

    specs: tuple[str, ...]
    http: str | None
    token_env: str | None
    origins: tuple[str, ...]
    hosts: tuple[str, ...]


async def serve(served: Served, options: CommonOptions) -> int:
    """Serve until the client leaves, or until told to stop.

    Raises ConfigError: `bad_mcp_object`, `mcp_token_needed`, `cannot_listen`, `missing_extra`.
    """
    check_sdk()
    from treadle.mcp_server.stdio import own_streams

    if served.http is not None:
        return await _over_http(served, options)
    # Before anything is imported for it: what a module prints is not protocol.
    streams = own_streams()
    from treadle.mcp_server import make_server, serve_stdio

    async with _exposed(served, options) as exposed:
        await serve_stdio(make_server(exposed), streams)
    return 0


async def _over_http(served: Served, options: CommonOptions) -> int:
    from treadle.mcp_server import make_server, serve_http

    access = _access(served)
    async with _exposed(served, options) as exposed:
        names = ", ".join(each.name for each in exposed)
        say = partial(_say_where, names)
        await serve_http(make_server(exposed), access, say)
    return 0


def _say_where(names: str, url: str) -> None:
    print_note(f"serving {names} at {url}")


def _access(served: Served) -> HttpAccess:
    from treadle.mcp_server import HttpAccess

    assert served.http is not None
    host, colon, port = served.http.rpartition(":")
    if not colon or not port.isdigit():
        raise ConfigError("bad_usage", f"--http {served.http}: write HOST:PORT")
    token = None
    if served.token_env is not None:
        token = os.environ.get(served.token_env)
        if not token:
            raise ConfigError("mcp_token_needed", f"{served.token_env} is not set")
    return HttpAccess(
        host.removeprefix("[").removesuffix("]") or "127.0.0.1",
        int(port),
        token,
        served.origins,
        served.hosts,
    )


@asynccontextmanager
async def _exposed(served: Served, options: CommonOptions) -> AsyncIterator[tuple[Exposed, ...]]:
    """What is offered, while the context lasts; the Runtimes behind it are closed in the end.

    Agents, workflows and tools are run by the Runtime that is named beside them; without one, by a
    Runtime that the options describe, with those agents and tools added to its own.

    Raises ConfigError (`bad_mcp_object`, `bad_usage`), and what `lent_tools` raises.
    """
    from treadle.agents.agent import Agent
    from treadle.agents.runtime import Runtime
    from treadle.mcp_server import exposed_by
    from treadle.tools.tool import Tool

    by_spec = {spec: _objects(spec) for spec in served.specs}
    objects = [each for found in by_spec.values() for each in found]
    named = [each for _, each in objects if isinstance(each, Runtime)]
    if named:
        async with AsyncExitStack() as closing:
            for each in named:
                closing.push_async_callback(each.aclose)
            if options.mcp:
                raise ConfigError(
                    "bad_usage", "--mcp adds to a Runtime that the options describe, and a Runtime "
                    "of its own is named here: give it the tools of McpServers"
                )  # fmt: skip
            yield exposed_by(objects, named[0])
        return
    parts: list[str] = []
    for spec, found in by_spec.items():
        callable_ones = [isinstance(each, Agent | Tool) for _, each in found]
        if any(callable_ones) and not all(callable_ones):
            raise ConfigError(
                "bad_mcp_object", f"{spec}: put agents and tools into a list of their own"
            )
        parts += [spec] if any(callable_ones) else []
    options = replace(options, tools=tuple(dict.fromkeys((*options.tools, *parts))))
    async with make_runtime(options) as runtime:
        yield exposed_by(objects or [("run_task", runtime)], runtime)


def _objects(spec: str) -> list[tuple[str, object]]:
    """What MODULE:OBJECT names. Raises ConfigError (`bad_mcp_object`)."""
    module_name, colon, attribute = spec.partition(":")
    if not colon or not module_name or not attribute:
        raise ConfigError("bad_mcp_object", f"{spec}: write MODULE:OBJECT")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        value = getattr(importlib.import_module(module_name), attribute)
    except TreadleError:
        raise
    except (Exception, SystemExit) as error:
        # Whatever a module does while it is imported; a script without a guard ends the process.
        raise ConfigError("bad_mcp_object", f"{spec}: {type(error).__name__}: {error}") from error
    many = value if isinstance(value, list | tuple) else [value]
    return [(attribute, each) for each in many]
